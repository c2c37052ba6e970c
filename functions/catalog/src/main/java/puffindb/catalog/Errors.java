// SPDX-License-Identifier: MIT
package puffindb.catalog;

import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.iceberg.exceptions.AlreadyExistsException;
import org.apache.iceberg.exceptions.CommitFailedException;
import org.apache.iceberg.exceptions.CommitStateUnknownException;
import org.apache.iceberg.exceptions.ForbiddenException;
import org.apache.iceberg.exceptions.NamespaceNotEmptyException;
import org.apache.iceberg.exceptions.NoSuchNamespaceException;
import org.apache.iceberg.exceptions.NoSuchTableException;
import org.apache.iceberg.exceptions.NoSuchViewException;
import org.apache.iceberg.exceptions.NotAuthorizedException;
import org.apache.iceberg.exceptions.NotFoundException;
import org.apache.iceberg.exceptions.ServiceUnavailableException;
import org.apache.iceberg.exceptions.UnprocessableEntityException;
import org.apache.iceberg.exceptions.ValidationException;
import org.apache.iceberg.rest.responses.ErrorResponse;

/**
 * Exceptions as statuses. What clients rely on: 409 on a commit means that nothing was changed, 5xx
 * that nobody knows, so that files must be kept.
 */
final class Errors {
  /** The first class that an exception is an instance of decides. */
  private static final Map<Class<? extends Exception>, Integer> STATUSES = new LinkedHashMap<>();

  static {
    STATUSES.put(BadRequestException.class, 400);
    STATUSES.put(ValidationException.class, 400);
    STATUSES.put(NotAuthorizedException.class, 401);
    STATUSES.put(ForbiddenException.class, 403);
    STATUSES.put(NoSuchNamespaceException.class, 404);
    STATUSES.put(NoSuchTableException.class, 404);
    STATUSES.put(NoSuchViewException.class, 404);
    STATUSES.put(NotFoundException.class, 404);
    STATUSES.put(UnsupportedOperationException.class, 406);
    STATUSES.put(NamespaceNotEmptyException.class, 409);
    STATUSES.put(AlreadyExistsException.class, 409);
    STATUSES.put(CommitFailedException.class, 409);
    STATUSES.put(UnprocessableEntityException.class, 422);
    STATUSES.put(CommitStateUnknownException.class, 500);
    STATUSES.put(ServiceUnavailableException.class, 503);
    STATUSES.put(IllegalArgumentException.class, 400);
  }

  private Errors() {}

  static int statusOf(RuntimeException problem) {
    for (Map.Entry<Class<? extends Exception>, Integer> entry : STATUSES.entrySet()) {
      if (entry.getKey().isInstance(problem)) {
        return entry.getValue();
      }
    }
    return 500;
  }

  static HttpResponse respond(RuntimeException problem) {
    String message = problem.getMessage() == null ? problem.toString() : problem.getMessage();
    return respond(statusOf(problem), problem.getClass().getSimpleName(), message);
  }

  static HttpResponse respond(int status, String type, String message) {
    return HttpResponse.json(
        status,
        ErrorResponse.builder().responseCode(status).withType(type).withMessage(message).build());
  }
}
