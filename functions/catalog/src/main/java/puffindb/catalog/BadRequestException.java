// SPDX-License-Identifier: MIT
package puffindb.catalog;

/** The request makes no sense: status 400. */
final class BadRequestException extends RuntimeException {
  private static final long serialVersionUID = 1;

  BadRequestException(String message) {
    super(message);
  }
}
