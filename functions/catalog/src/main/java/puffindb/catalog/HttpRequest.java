// SPDX-License-Identifier: MIT
package puffindb.catalog;

import com.fasterxml.jackson.databind.JsonNode;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/**
 * An HTTP request as a function URL delivers it (payload format 2.0). The path stays
 * percent-encoded; header names are in lower case.
 */
record HttpRequest(
    String method,
    String path,
    Map<String, String> query,
    Map<String, String> headers,
    String body) {

  static HttpRequest fromEvent(JsonNode event) {
    String method = event.at("/requestContext/http/method").asText("");
    if (method.isEmpty()) {
      throw new IllegalArgumentException(
          "the event is no HTTP request of a function URL: requestContext.http.method is missing");
    }
    Map<String, String> headers = new HashMap<>();
    event
        .path("headers")
        .properties()
        .forEach(
            field ->
                headers.put(field.getKey().toLowerCase(Locale.ROOT), field.getValue().asText()));
    String body = event.path("body").asText("");
    if (event.path("isBase64Encoded").asBoolean(false)) {
      body = new String(Base64.getDecoder().decode(body), StandardCharsets.UTF_8);
    }
    return new HttpRequest(
        method.toUpperCase(Locale.ROOT),
        event.path("rawPath").asText("/"),
        decodeForm(event.path("rawQueryString").asText("")),
        headers,
        body);
  }

  /** {@code a=1&b=2}, decoded; the first of equal names counts. */
  static Map<String, String> decodeForm(String text) {
    Map<String, String> fields = new TreeMap<>();
    for (String pair : text.split("&")) {
      if (!pair.isEmpty()) {
        int at = pair.indexOf('=');
        String name = at < 0 ? pair : pair.substring(0, at);
        String value = at < 0 ? "" : pair.substring(at + 1);
        fields.putIfAbsent(decode(name), decode(value));
      }
    }
    return fields;
  }

  private static String decode(String text) {
    return URLDecoder.decode(text, StandardCharsets.UTF_8);
  }
}
