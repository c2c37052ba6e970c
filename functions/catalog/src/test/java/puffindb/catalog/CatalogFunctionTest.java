// SPDX-License-Identifier: MIT
package puffindb.catalog;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Events of a function URL through the handler, over a JDBC catalog in a folder. */
final class CatalogFunctionTest {
  private static final String SCHEMA =
      "{\"type\":\"struct\",\"schema-id\":0,\"fields\":["
          + "{\"id\":1,\"name\":\"id\",\"type\":\"long\",\"required\":true},"
          + "{\"id\":2,\"name\":\"name\",\"type\":\"string\",\"required\":false}]}";

  @TempDir private Path folder;
  private CatalogFunction function;

  private Settings settings(String token) {
    return Settings.fromEnvironment(
        Map.of(
            "CATALOG_TYPE",
            "jdbc",
            "CATALOG_URI",
            "jdbc:sqlite:" + folder.resolve("catalog.db"),
            "CATALOG_JDBC_SCHEMA__VERSION",
            "V1",
            "CATALOG_WAREHOUSE",
            "file:" + folder.resolve("warehouse"),
            "PUFFINDB_CATALOG_TOKEN",
            token));
  }

  @BeforeEach
  void open() {
    function = new CatalogFunction(settings(""));
  }

  private static ObjectNode event(String method, String path, String query, String body) {
    ObjectNode event = Json.MAPPER.createObjectNode();
    event.put("version", "2.0").put("rawPath", path).put("rawQueryString", query);
    event.putObject("headers");
    event.putObject("requestContext").putObject("http").put("method", method).put("path", path);
    event.put("body", body).put("isBase64Encoded", false);
    return event;
  }

  private JsonNode send(ObjectNode event) throws IOException {
    ByteArrayOutputStream output = new ByteArrayOutputStream();
    function.handleRequest(
        new ByteArrayInputStream(Json.MAPPER.writeValueAsBytes(event)), output, null);
    return Json.MAPPER.readTree(output.toByteArray());
  }

  private JsonNode send(String method, String path, String body) throws IOException {
    return send(event(method, path, "", body));
  }

  private static JsonNode bodyOf(JsonNode answer) throws IOException {
    return Json.MAPPER.readTree(answer.path("body").asText());
  }

  private static void assertStatus(int status, JsonNode answer) {
    assertEquals(status, answer.path("statusCode").asInt(), answer::toString);
  }

  private JsonNode createTable(String name) throws IOException {
    send("POST", "/v1/namespaces", "{\"namespace\":[\"sales\"]}");
    JsonNode answer =
        send(
            "POST",
            "/v1/namespaces/sales/tables",
            "{\"name\":\"" + name + "\",\"schema\":" + SCHEMA + "}");
    assertStatus(200, answer);
    return bodyOf(answer);
  }

  private static String setProperty(String uuid, String key, String value) {
    return "{\"requirements\":[{\"type\":\"assert-table-uuid\",\"uuid\":\""
        + uuid
        + "\"}],\"updates\":[{\"action\":\"set-properties\",\"updates\":{\""
        + key
        + "\":\""
        + value
        + "\"}}]";
  }

  @Test
  void configListsEveryEndpoint() throws IOException {
    JsonNode answer = send("GET", "/v1/config", "");
    assertStatus(200, answer);
    String endpoints = bodyOf(answer).path("endpoints").toString();
    assertTrue(endpoints.contains("POST /v1/{prefix}/namespaces/{namespace}/tables/{table}/plan"));
    assertTrue(endpoints.contains("GET /v1/{prefix}/namespaces/{namespace}/views"));
    assertEquals("application/json", answer.at("/headers/Content-Type").asText());
  }

  @Test
  void theBasePathOfTheEngineIsTaken() throws IOException {
    assertStatus(200, send("GET", "/iceberg/v1/config", ""));
    assertStatus(400, send("GET", "/other/v1/config", ""));
  }

  @Test
  void namespacesComeAndGo() throws IOException {
    assertStatus(404, send("GET", "/v1/namespaces/sales", ""));
    assertStatus(404, send("HEAD", "/v1/namespaces/sales", ""));
    assertStatus(
        200,
        send("POST", "/v1/namespaces", "{\"namespace\":[\"sales\"],\"properties\":{\"a\":\"1\"}}"));
    assertStatus(409, send("POST", "/v1/namespaces", "{\"namespace\":[\"sales\"]}"));
    assertStatus(204, send("HEAD", "/v1/namespaces/sales", ""));
    JsonNode loaded = bodyOf(send("GET", "/v1/namespaces/sales", ""));
    assertEquals("1", loaded.at("/properties/a").asText());
    assertEquals(1, bodyOf(send("GET", "/v1/namespaces", "")).path("namespaces").size());
    assertStatus(204, send("DELETE", "/v1/namespaces/sales", ""));
    assertStatus(404, send("GET", "/v1/namespaces/sales", ""));
  }

  @Test
  void aNameWithASlashStaysOne() throws IOException {
    assertStatus(200, send("POST", "/v1/namespaces", "{\"namespace\":[\"a/b c\"]}"));
    assertStatus(200, send("GET", "/v1/namespaces/a%2Fb%20c", ""));
  }

  @Test
  void aNamespaceWithATableIsKept() throws IOException {
    createTable("orders");
    JsonNode answer = send("DELETE", "/v1/namespaces/sales", "");
    assertStatus(409, answer);
    assertEquals("NamespaceNotEmptyException", bodyOf(answer).at("/error/type").asText());
  }

  @Test
  void anUnchangedTableIsNotSentAgain() throws IOException {
    createTable("orders");
    ObjectNode event = event("GET", "/v1/namespaces/sales/tables/orders", "snapshots=all", "");
    JsonNode first = send(event);
    assertStatus(200, first);
    String tag = first.at("/headers/ETag").asText();
    event.withObjectProperty("headers").put("If-None-Match", tag);
    JsonNode second = send(event);
    assertStatus(304, second);
    assertEquals("", second.path("body").asText());
    event.put("rawQueryString", "snapshots=refs");
    assertStatus(200, send(event));
    String uuid = bodyOf(first).at("/metadata/table-uuid").asText();
    JsonNode commit =
        send("POST", "/v1/namespaces/sales/tables/orders", setProperty(uuid, "a", "1") + "}");
    assertStatus(200, commit);
    assertNotEquals(tag, commit.at("/headers/ETag").asText());
    event.put("rawQueryString", "snapshots=all");
    assertStatus(200, send(event));
  }

  @Test
  void aFailedRequirementChangesNothing() throws IOException {
    createTable("orders");
    String wrong = "00000000-0000-0000-0000-000000000000";
    JsonNode answer =
        send("POST", "/v1/namespaces/sales/tables/orders", setProperty(wrong, "a", "1") + "}");
    assertStatus(409, answer);
    assertEquals("CommitFailedException", bodyOf(answer).at("/error/type").asText());
    JsonNode loaded = bodyOf(send("GET", "/v1/namespaces/sales/tables/orders", ""));
    assertFalse(loaded.at("/metadata/properties").has("a"));
  }

  @Test
  void severalTablesAreCommittedOrNone() throws IOException {
    String first = createTable("one").at("/metadata/table-uuid").asText();
    String second = createTable("two").at("/metadata/table-uuid").asText();
    String wrong = "00000000-0000-0000-0000-000000000000";
    assertStatus(409, send("POST", "/v1/transactions/commit", transaction(first, wrong)));
    assertFalse(propertiesOf("one").has("a"));
    assertStatus(204, send("POST", "/v1/transactions/commit", transaction(first, second)));
    assertEquals("1", propertiesOf("one").path("a").asText());
    assertEquals("1", propertiesOf("two").path("a").asText());
  }

  private static String transaction(String first, String second) {
    String pattern = ",\"identifier\":{\"namespace\":[\"sales\"],\"name\":\"%s\"}}";
    return "{\"table-changes\":["
        + setProperty(first, "a", "1")
        + pattern.formatted("one")
        + ","
        + setProperty(second, "a", "1")
        + pattern.formatted("two")
        + "]}";
  }

  private JsonNode propertiesOf(String table) throws IOException {
    return bodyOf(send("GET", "/v1/namespaces/sales/tables/" + table, ""))
        .at("/metadata/properties");
  }

  @Test
  void anEmptyTableIsPlannedAtOnce() throws IOException {
    createTable("orders");
    JsonNode answer = send("POST", "/v1/namespaces/sales/tables/orders/plan", "{}");
    assertStatus(200, answer);
    assertEquals("completed", bodyOf(answer).path("status").asText());
  }

  @Test
  void droppedWithPurgeTheFilesAreGone() throws IOException {
    createTable("orders");
    assertStatus(
        204,
        send(event("DELETE", "/v1/namespaces/sales/tables/orders", "purgeRequested=true", "")));
    assertStatus(404, send("GET", "/v1/namespaces/sales/tables/orders", ""));
    try (Stream<Path> files = Files.walk(folder.resolve("warehouse"))) {
      assertEquals(0, files.filter(Files::isRegularFile).count());
    }
  }

  @Test
  void aTableWithoutItsMetadataIsNotFound() throws IOException {
    String location = createTable("orders").path("metadata-location").asText();
    Files.delete(LocalFileIO.pathOf(location));
    assertStatus(404, send("GET", "/v1/namespaces/sales/tables/orders", ""));
  }

  @Test
  void badRequestsAreRefused() throws IOException {
    assertStatus(400, send("POST", "/v1/namespaces", "{"));
    assertStatus(400, send("POST", "/v1/namespaces", "null"));
    assertStatus(400, send("POST", "/v1/namespaces", ""));
    assertStatus(400, send("GET", "/v1/nothing", ""));
    assertStatus(400, send("PATCH", "/v1/namespaces", "{}"));
    assertStatus(400, send("GET", "", ""));
    createTable("orders");
    String path = "/v1/namespaces/sales/tables/orders";
    assertStatus(400, send("POST", path, "{\"requirements\":[],\"updates\":[{\"action\":\"x\"}]}"));
    assertStatus(400, send(event("GET", path, "snapshots=some", "")));
    ObjectNode noRequest = Json.MAPPER.createObjectNode().put("kind", "worker");
    assertStatus(400, send(noRequest));
  }

  @Test
  void bodiesMayBeBase64() throws IOException {
    byte[] body = "{\"namespace\":[\"größe\"]}".getBytes(StandardCharsets.UTF_8);
    ObjectNode event =
        event("POST", "/v1/namespaces", "", Base64.getEncoder().encodeToString(body));
    assertStatus(200, send(event.put("isBase64Encoded", true)));
    assertStatus(200, send("GET", "/v1/namespaces/gr%C3%B6%C3%9Fe", ""));
  }

  @Test
  void theTokenIsAskedFor() throws IOException {
    function = new CatalogFunction(settings("secret"));
    assertStatus(401, send("GET", "/v1/config", ""));
    String grant = "grant_type=client_credentials&client_id=me&client_secret=";
    assertStatus(401, send("POST", "/v1/oauth/tokens", grant + "guess"));
    JsonNode answer = send("POST", "/v1/oauth/tokens", grant + "secret");
    assertStatus(200, answer);
    ObjectNode event = event("GET", "/v1/config", "", "");
    event
        .withObjectProperty("headers")
        .put("Authorization", "Bearer " + bodyOf(answer).path("access_token").asText());
    assertStatus(200, send(event));
  }

  @Test
  void aCatalogMustBeNamed() {
    IllegalArgumentException problem =
        assertThrows(IllegalArgumentException.class, () -> Settings.fromEnvironment(Map.of()));
    assertTrue(problem.getMessage().contains("CATALOG_TYPE"));
  }

  @Test
  void propertiesAreNamedAsInTheEnvironment() {
    Map<String, String> properties =
        Settings.fromEnvironment(
                Map.of("CATALOG_CATALOG__IMPL", "x.Y", "CATALOG_IO_RETRY__MAX", "3"))
            .properties();
    assertEquals(Map.of("catalog-impl", "x.Y", "io.retry-max", "3"), properties);
  }
}
