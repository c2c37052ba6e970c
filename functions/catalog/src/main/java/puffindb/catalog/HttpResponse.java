// SPDX-License-Identifier: MIT
package puffindb.catalog;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Map;

/** An answer; a null body is none at all (204, 304). */
record HttpResponse(int status, Map<String, String> headers, String body) {

  static HttpResponse json(int status, Object value) {
    return json(status, value, Map.of());
  }

  static HttpResponse json(int status, Object value, Map<String, String> headers) {
    return new HttpResponse(status, headers, Json.write(value));
  }

  static HttpResponse empty(int status) {
    return new HttpResponse(status, Map.of(), null);
  }

  /** As a function URL wants it. */
  ObjectNode toEvent() {
    ObjectNode event = Json.MAPPER.createObjectNode();
    event.put("statusCode", status);
    ObjectNode fields = event.putObject("headers");
    headers.forEach(fields::put);
    if (body != null) {
      fields.put("Content-Type", "application/json");
    }
    event.put("body", body == null ? "" : body);
    event.put("isBase64Encoded", false);
    return event;
  }
}
