// SPDX-License-Identifier: MIT
package puffindb.catalog;

import java.util.ArrayList;
import java.util.List;
import org.apache.iceberg.BaseTable;
import org.apache.iceberg.MetadataUpdate;
import org.apache.iceberg.Table;
import org.apache.iceberg.TableMetadata;
import org.apache.iceberg.TableOperations;
import org.apache.iceberg.UpdateRequirement;
import org.apache.iceberg.catalog.Catalog;
import org.apache.iceberg.catalog.TableIdentifier;
import org.apache.iceberg.exceptions.CommitFailedException;
import org.apache.iceberg.exceptions.CommitStateUnknownException;
import org.apache.iceberg.rest.requests.CommitTransactionRequest;
import org.apache.iceberg.rest.requests.UpdateTableRequest;

/**
 * Several tables in one request over a Java catalog, which commits one table at a time: every
 * change is checked and prepared before the first is committed. A table that another writer changes
 * in between fails the request; if it is the first, nothing has happened (409), otherwise the state
 * is reported as unknown (500).
 */
final class MultiTableCommit {
  private record Change(
      TableIdentifier table,
      TableOperations operations,
      TableMetadata base,
      TableMetadata updated) {}

  private MultiTableCommit() {}

  static void commit(Catalog catalog, CommitTransactionRequest request) {
    List<Change> changes = new ArrayList<>();
    for (UpdateTableRequest change : request.tableChanges()) {
      changes.add(prepare(catalog, change));
    }
    for (int i = 0; i < changes.size(); i++) {
      Change change = changes.get(i);
      try {
        change.operations().commit(change.base(), change.updated());
      } catch (CommitFailedException e) {
        if (i == 0) {
          throw e;
        }
        throw new CommitStateUnknownException(
            "%d of %d tables were committed, then %s failed: %s"
                .formatted(i, changes.size(), change.table(), e.getMessage()),
            e);
      }
    }
  }

  private static Change prepare(Catalog catalog, UpdateTableRequest request) {
    Table table = catalog.loadTable(request.identifier());
    if (!(table instanceof BaseTable)) {
      throw new UnsupportedOperationException(
          request.identifier() + " can't be changed: " + table.getClass());
    }
    TableOperations operations = ((BaseTable) table).operations();
    TableMetadata base = operations.current();
    for (UpdateRequirement requirement : request.requirements()) {
      requirement.validate(base);
    }
    TableMetadata.Builder builder = TableMetadata.buildFrom(base);
    for (MetadataUpdate update : request.updates()) {
      update.applyTo(builder);
    }
    return new Change(request.identifier(), operations, base, builder.build());
  }
}
