// SPDX-License-Identifier: MIT
package puffindb.catalog;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.zip.CRC32C;
import org.apache.iceberg.catalog.Catalog;
import org.apache.iceberg.catalog.Namespace;
import org.apache.iceberg.catalog.SupportsNamespaces;
import org.apache.iceberg.catalog.TableIdentifier;
import org.apache.iceberg.catalog.ViewCatalog;
import org.apache.iceberg.exceptions.NoSuchNamespaceException;
import org.apache.iceberg.rest.CatalogHandlers;
import org.apache.iceberg.rest.Endpoint;
import org.apache.iceberg.rest.RESTCatalogProperties;
import org.apache.iceberg.rest.RESTCatalogProperties.SnapshotMode;
import org.apache.iceberg.rest.RESTUtil;
import org.apache.iceberg.rest.requests.CommitTransactionRequest;
import org.apache.iceberg.rest.requests.CreateNamespaceRequest;
import org.apache.iceberg.rest.requests.CreateTableRequest;
import org.apache.iceberg.rest.requests.CreateViewRequest;
import org.apache.iceberg.rest.requests.PlanTableScanRequest;
import org.apache.iceberg.rest.requests.RegisterTableRequest;
import org.apache.iceberg.rest.requests.RegisterViewRequest;
import org.apache.iceberg.rest.requests.RenameTableRequest;
import org.apache.iceberg.rest.requests.ReportMetricsRequest;
import org.apache.iceberg.rest.requests.UpdateNamespacePropertiesRequest;
import org.apache.iceberg.rest.requests.UpdateTableRequest;
import org.apache.iceberg.rest.responses.ConfigResponse;
import org.apache.iceberg.rest.responses.LoadTableResponse;
import org.apache.iceberg.rest.responses.OAuthTokenResponse;

/**
 * Iceberg's REST protocol over one Java catalog.
 *
 * <p>Keeps no state between requests, since the next one may reach another environment: scans are
 * planned in one answer, and idempotency keys are not promised.
 */
final class CatalogService {
  private static final String BASE_PATH = "/iceberg";
  private static final String TOKENS_PATH = "/v1/oauth/tokens";
  private static final String CONFIG_PATH = "/v1/config";

  /** Between the levels of a namespace, as it stands in a path: the protocol's default. */
  private static final String NAMESPACE_SEPARATOR = "%1F";

  private final Catalog catalog;
  private final String token;
  private final int maxAnswerBytes;
  private final List<Route> routes = new ArrayList<>();

  CatalogService(Catalog catalog, Settings settings) {
    this.catalog = catalog;
    this.token = settings.token();
    this.maxAnswerBytes = settings.maxAnswerBytes();
    addTables();
    if (catalog instanceof SupportsNamespaces namespaces) {
      addNamespaces(namespaces);
    }
    if (catalog instanceof ViewCatalog views) {
      addViews(views);
    }
  }

  HttpResponse handle(HttpRequest request) {
    try {
      HttpResponse response = dispatch(request);
      if (response.body() != null && response.body().length() > maxAnswerBytes / 2) {
        checkSize(response.body());
      }
      return response;
    } catch (RuntimeException problem) {
      HttpResponse response = Errors.respond(problem);
      if (response.status() >= 500) {
        System.err.printf("%s %s: %s%n", request.method(), request.path(), problem);
      }
      return response;
    }
  }

  private void checkSize(String body) {
    int bytes = body.getBytes(StandardCharsets.UTF_8).length;
    if (bytes > maxAnswerBytes) {
      throw new UnsupportedOperationException(
          "the answer has %d bytes, a function may give %d: let the client plan the scan, or load the table with"
                  .formatted(bytes, maxAnswerBytes)
              + " snapshots=refs");
    }
  }

  private HttpResponse dispatch(HttpRequest request) {
    String path =
        request.path().startsWith(BASE_PATH + "/")
            ? request.path().substring(BASE_PATH.length())
            : request.path();
    if (request.method().equals("POST") && path.equals(TOKENS_PATH)) {
      return issueToken(HttpRequest.decodeForm(request.body()));
    }
    if (!isAllowed(request)) {
      return Errors.respond(
          401, "NotAuthorizedException", "send Authorization: Bearer <the catalog's token>");
    }
    if (request.method().equals("GET") && path.equals(CONFIG_PATH)) {
      return config();
    }
    if (!path.startsWith("/")) {
      throw new BadRequestException("the path '" + path + "' doesn't start with a slash");
    }
    // -1: a trailing slash is one part more, and no route.
    String[] parts = path.substring(1).split("/", -1);
    for (Route route : routes) {
      Map<String, String> variables = route.match(request.method(), parts);
      if (variables != null) {
        return route.handler().handle(request, variables);
      }
    }
    throw new BadRequestException("no such endpoint: " + request.method() + " " + path);
  }

  // ---- access ----

  private boolean isAllowed(HttpRequest request) {
    return token.isEmpty()
        || request.headers().getOrDefault("authorization", "").equals("Bearer " + token);
  }

  /** OAuth2 for clients that know nothing else: the secret is the token. */
  private HttpResponse issueToken(Map<String, String> form) {
    String grant = form.getOrDefault("grant_type", "");
    boolean isExchange = grant.equals("urn:ietf:params:oauth:grant-type:token-exchange");
    if (!isExchange && !grant.equals("client_credentials")) {
      throw new BadRequestException(
          "grant_type is '" + grant + "', expected client_credentials or token-exchange");
    }
    String secret = form.getOrDefault(isExchange ? "subject_token" : "client_secret", "");
    if (!token.isEmpty() && !token.equals(secret)) {
      return Errors.respond(
          401, "NotAuthorizedException", "the client's secret is not the catalog's token");
    }
    OAuthTokenResponse.Builder response =
        OAuthTokenResponse.builder()
            .withToken(token.isEmpty() ? "none" : token)
            .withTokenType("Bearer");
    if (isExchange) {
      response.withIssuedTokenType("urn:ietf:params:oauth:token-type:access_token");
    }
    return HttpResponse.json(200, response.build());
  }

  private HttpResponse config() {
    List<Endpoint> endpoints = routes.stream().map(Route::endpoint).toList();
    return HttpResponse.json(200, ConfigResponse.builder().withEndpoints(endpoints).build());
  }

  // ---- namespaces ----

  private void addNamespaces(SupportsNamespaces namespaces) {
    add(
        Endpoint.V1_LIST_NAMESPACES,
        (request, path) -> listNamespaces(namespaces, request.query()));
    add(
        Endpoint.V1_CREATE_NAMESPACE,
        (request, path) ->
            ok(
                CatalogHandlers.createNamespace(
                    namespaces, read(request, CreateNamespaceRequest.class))));
    add(
        Endpoint.V1_LOAD_NAMESPACE,
        (request, path) -> ok(CatalogHandlers.loadNamespace(namespaces, namespace(path))));
    add(
        Endpoint.V1_NAMESPACE_EXISTS,
        (request, path) ->
            done(() -> CatalogHandlers.namespaceExists(namespaces, namespace(path))));
    add(
        Endpoint.V1_DELETE_NAMESPACE,
        (request, path) -> done(() -> CatalogHandlers.dropNamespace(namespaces, namespace(path))));
    add(
        Endpoint.V1_UPDATE_NAMESPACE,
        (request, path) ->
            ok(
                CatalogHandlers.updateNamespaceProperties(
                    namespaces,
                    namespace(path),
                    read(request, UpdateNamespacePropertiesRequest.class))));
  }

  private static HttpResponse listNamespaces(
      SupportsNamespaces namespaces, Map<String, String> query) {
    String parent = query.getOrDefault("parent", "");
    Namespace namespace =
        parent.isEmpty() ? Namespace.empty() : RESTUtil.namespaceFromQueryParam(parent);
    String pageSize = query.get("pageSize");
    return ok(
        pageSize == null
            ? CatalogHandlers.listNamespaces(namespaces, namespace)
            : CatalogHandlers.listNamespaces(
                namespaces, namespace, query.get("pageToken"), pageSize));
  }

  // ---- tables ----

  private void addTables() {
    add(Endpoint.V1_LIST_TABLES, (request, path) -> listTables(namespace(path), request.query()));
    add(
        Endpoint.V1_CREATE_TABLE,
        (request, path) -> createTable(namespace(path), read(request, CreateTableRequest.class)));
    add(Endpoint.V1_LOAD_TABLE, (request, path) -> loadTable(table(path), request));
    add(
        Endpoint.V1_TABLE_EXISTS,
        (request, path) -> done(() -> CatalogHandlers.tableExists(catalog, table(path))));
    add(
        Endpoint.V1_UPDATE_TABLE,
        (request, path) ->
            loaded(
                CatalogHandlers.updateTable(
                    catalog, table(path), read(request, UpdateTableRequest.class))));
    add(Endpoint.V1_DELETE_TABLE, (request, path) -> dropTable(table(path), request.query()));
    add(
        Endpoint.V1_RENAME_TABLE,
        (request, path) ->
            done(
                () ->
                    CatalogHandlers.renameTable(catalog, read(request, RenameTableRequest.class))));
    add(
        Endpoint.V1_REGISTER_TABLE,
        (request, path) ->
            loaded(
                CatalogHandlers.registerTable(
                    catalog, namespace(path), read(request, RegisterTableRequest.class))));
    add(
        Endpoint.V1_REPORT_METRICS,
        (request, path) -> done(() -> read(request, ReportMetricsRequest.class)));
    add(
        Endpoint.V1_COMMIT_TRANSACTION,
        (request, path) ->
            done(
                () ->
                    MultiTableCommit.commit(
                        catalog, read(request, CommitTransactionRequest.class))));
    add(
        Endpoint.V1_SUBMIT_TABLE_SCAN_PLAN,
        (request, path) -> planScan(table(path), read(request, PlanTableScanRequest.class)));
  }

  private HttpResponse listTables(Namespace namespace, Map<String, String> query) {
    String pageSize = query.get("pageSize");
    return ok(
        pageSize == null
            ? CatalogHandlers.listTables(catalog, namespace)
            : CatalogHandlers.listTables(catalog, namespace, query.get("pageToken"), pageSize));
  }

  private HttpResponse createTable(Namespace namespace, CreateTableRequest request) {
    request.validate();
    // Some catalogs make tables anywhere, or notice only when the table is committed.
    if (catalog instanceof SupportsNamespaces namespaces && !namespaces.namespaceExists(namespace)) {
      throw new NoSuchNamespaceException("Namespace does not exist: %s", namespace);
    }
    return request.stageCreate()
        ? ok(CatalogHandlers.stageTableCreate(catalog, namespace, request))
        : loaded(CatalogHandlers.createTable(catalog, namespace, request));
  }

  private HttpResponse loadTable(TableIdentifier table, HttpRequest request) {
    SnapshotMode mode = snapshotMode(request.query());
    LoadTableResponse response = CatalogHandlers.loadTable(catalog, table, mode);
    String tag = tag(response, mode);
    return tag.equals(request.headers().get("if-none-match"))
        ? HttpResponse.empty(304)
        : HttpResponse.json(200, response, Map.of("ETag", tag));
  }

  private static SnapshotMode snapshotMode(Map<String, String> query) {
    String mode = query.getOrDefault(RESTCatalogProperties.SNAPSHOTS_QUERY_PARAMETER, "all");
    if (!Set.of("all", "refs").contains(mode)) {
      throw new BadRequestException("snapshots is '" + mode + "', expected all or refs");
    }
    return SnapshotMode.valueOf(mode.toUpperCase(Locale.ROOT));
  }

  private HttpResponse dropTable(TableIdentifier table, Map<String, String> query) {
    boolean isPurge = Boolean.parseBoolean(query.getOrDefault("purgeRequested", "false"));
    return done(
        () -> {
          if (isPurge) {
            CatalogHandlers.purgeTable(catalog, table);
          } else {
            CatalogHandlers.dropTable(catalog, table);
          }
        });
  }

  /** All tasks in one answer. */
  private HttpResponse planScan(TableIdentifier table, PlanTableScanRequest request) {
    return ok(
        CatalogHandlers.planTableScan(
            catalog, table, request, scan -> false, scan -> Integer.MAX_VALUE));
  }

  /** A table that has just been written: with the tag that loading it would give. */
  private static HttpResponse loaded(LoadTableResponse response) {
    return HttpResponse.json(200, response, Map.of("ETag", tag(response, SnapshotMode.ALL)));
  }

  private static String tag(LoadTableResponse response, SnapshotMode mode) {
    CRC32C sum = new CRC32C();
    sum.update((mode + " " + response.metadataLocation()).getBytes(StandardCharsets.UTF_8));
    return "\"%08x\"".formatted(sum.getValue());
  }

  // ---- views ----

  private void addViews(ViewCatalog views) {
    add(
        Endpoint.V1_LIST_VIEWS,
        (request, path) -> listViews(views, namespace(path), request.query()));
    add(
        Endpoint.V1_CREATE_VIEW,
        (request, path) ->
            ok(
                CatalogHandlers.createView(
                    views, namespace(path), read(request, CreateViewRequest.class))));
    add(Endpoint.V1_LOAD_VIEW, (request, path) -> ok(CatalogHandlers.loadView(views, view(path))));
    add(
        Endpoint.V1_VIEW_EXISTS,
        (request, path) -> done(() -> CatalogHandlers.viewExists(views, view(path))));
    add(
        Endpoint.V1_UPDATE_VIEW,
        (request, path) ->
            ok(
                CatalogHandlers.updateView(
                    views, view(path), read(request, UpdateTableRequest.class))));
    add(
        Endpoint.V1_DELETE_VIEW,
        (request, path) -> done(() -> CatalogHandlers.dropView(views, view(path))));
    add(
        Endpoint.V1_RENAME_VIEW,
        (request, path) ->
            done(() -> CatalogHandlers.renameView(views, read(request, RenameTableRequest.class))));
    add(
        Endpoint.V1_REGISTER_VIEW,
        (request, path) ->
            ok(
                CatalogHandlers.registerView(
                    views, namespace(path), read(request, RegisterViewRequest.class))));
  }

  private static HttpResponse listViews(
      ViewCatalog views, Namespace namespace, Map<String, String> query) {
    String pageSize = query.get("pageSize");
    return ok(
        pageSize == null
            ? CatalogHandlers.listViews(views, namespace)
            : CatalogHandlers.listViews(views, namespace, query.get("pageToken"), pageSize));
  }

  // ---- common ----

  private void add(Endpoint endpoint, Route.Handler handler) {
    routes.add(Route.of(endpoint, handler));
  }

  private static HttpResponse ok(Object body) {
    return HttpResponse.json(200, body);
  }

  private static HttpResponse done(Runnable action) {
    action.run();
    return HttpResponse.empty(204);
  }

  private static <T> T read(HttpRequest request, Class<T> type) {
    return Json.read(request.body(), type);
  }

  private static Namespace namespace(Map<String, String> path) {
    return RESTUtil.decodeNamespace(path.get("namespace"), NAMESPACE_SEPARATOR);
  }

  private static TableIdentifier table(Map<String, String> path) {
    return TableIdentifier.of(namespace(path), RESTUtil.decodeString(path.get("table")));
  }

  private static TableIdentifier view(Map<String, String> path) {
    return TableIdentifier.of(namespace(path), RESTUtil.decodeString(path.get("view")));
  }
}
