// SPDX-License-Identifier: MIT
package puffindb.catalog;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/**
 * Goes once through what a first request needs, over a catalog in memory, and ends: run with {@code
 * -XX:ArchiveClassesAtExit} to make the class archive that shortens a start (see build).
 */
final class Training {
  private static final String SCHEMA =
      "{\"type\":\"struct\",\"schema-id\":0,\"fields\":["
          + "{\"id\":1,\"name\":\"id\",\"type\":\"long\",\"required\":true}]}";

  private Training() {}

  public static void main(String[] arguments) throws IOException {
    CatalogFunction function =
        new CatalogFunction(
            Settings.fromEnvironment(
                Map.of("CATALOG_CATALOG__IMPL", "org.apache.iceberg.inmemory.InMemoryCatalog")));
    send(function, "POST", "/v1/namespaces", "{\"namespace\":[\"n\"]}");
    send(function, "POST", "/v1/namespaces/n/tables", "{\"name\":\"t\",\"schema\":" + SCHEMA + "}");
    send(function, "GET", "/v1/namespaces/n/tables", "");
    send(function, "GET", "/v1/namespaces/n/tables/t", "");
    send(
        function,
        "POST",
        "/v1/namespaces/n/tables/t",
        "{\"requirements\":[],\"updates\":[{\"action\":\"set-properties\",\"updates\":{\"a\":\"b\"}}]}");
    send(function, "POST", "/v1/namespaces/n/tables/t/plan", "{}");
    send(function, "GET", "/v1/namespaces/n/views", "");
    send(function, "GET", "/v1/namespaces/missing", "");
  }

  private static void send(CatalogFunction function, String method, String path, String body)
      throws IOException {
    String event =
        Json.write(
            Map.of(
                "rawPath",
                path,
                "body",
                body,
                "headers",
                Map.of("accept", "application/json"),
                "requestContext",
                Map.of("http", Map.of("method", method))));
    ByteArrayOutputStream output = new ByteArrayOutputStream();
    function.handleRequest(
        new ByteArrayInputStream(event.getBytes(StandardCharsets.UTF_8)), output, null);
    if (output.toString(StandardCharsets.UTF_8).contains("\"statusCode\":5")) {
      throw new IllegalStateException(method + " " + path + ": " + output);
    }
  }
}
