// SPDX-License-Identifier: MIT
package puffindb.catalog;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestStreamHandler;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import org.apache.iceberg.catalog.Catalog;

/**
 * The Lambda handler: events of a function URL in, answers of Iceberg's REST protocol out.
 *
 * <p>The catalog is opened while the environment starts, where Lambda gives full speed and
 * SnapStart takes its snapshot, and not with the first request.
 */
public final class CatalogFunction implements RequestStreamHandler {
  private final CatalogService service;

  /** Called by the runtime. */
  public CatalogFunction() {
    this(Settings.fromEnvironment(System.getenv()));
  }

  CatalogFunction(Settings settings) {
    this(settings.loadCatalog(), settings);
  }

  CatalogFunction(Catalog catalog, Settings settings) {
    service = new CatalogService(catalog, settings);
    warmUp();
  }

  /** Loads the classes that the first request needs. */
  private void warmUp() {
    service.handle(
        new HttpRequest("GET", "/v1/config", java.util.Map.of(), java.util.Map.of(), ""));
  }

  @Override
  public void handleRequest(InputStream input, OutputStream output, Context context)
      throws IOException {
    JsonNode event = Json.MAPPER.readTree(input);
    HttpResponse response;
    try {
      response = service.handle(HttpRequest.fromEvent(event));
    } catch (IllegalArgumentException problem) {
      response = Errors.respond(400, "BadRequestException", problem.getMessage());
    }
    Json.MAPPER.writeValue(output, response.toEvent());
  }
}
