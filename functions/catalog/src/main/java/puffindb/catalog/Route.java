// SPDX-License-Identifier: MIT
package puffindb.catalog;

import java.util.HashMap;
import java.util.Map;
import org.apache.iceberg.rest.Endpoint;

/** One endpoint of the protocol and what answers it. */
record Route(Endpoint endpoint, String[] parts, Handler handler) {

  /** Answers a request; {@code path} holds the variables of the path, still encoded. */
  @FunctionalInterface
  interface Handler {
    HttpResponse handle(HttpRequest request, Map<String, String> path);
  }

  static Route of(Endpoint endpoint, Handler handler) {
    String path = endpoint.path().replace("/{prefix}", "");
    return new Route(endpoint, path.substring(1).split("/"), handler);
  }

  /** The variables if method and path fit, else null. */
  Map<String, String> match(String method, String[] path) {
    if (!endpoint.httpMethod().equals(method) || path.length != parts.length) {
      return null;
    }
    Map<String, String> variables = new HashMap<>();
    for (int i = 0; i < parts.length; i++) {
      if (parts[i].startsWith("{")) {
        variables.put(parts[i].substring(1, parts[i].length() - 1), path[i]);
      } else if (!parts[i].equals(path[i])) {
        return null;
      }
    }
    return variables;
  }
}
