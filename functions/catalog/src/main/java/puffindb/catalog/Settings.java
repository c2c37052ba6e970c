// SPDX-License-Identifier: MIT
package puffindb.catalog;

import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import org.apache.iceberg.CatalogProperties;
import org.apache.iceberg.CatalogUtil;
import org.apache.iceberg.catalog.Catalog;

/**
 * What the environment says: {@code CATALOG_*} variables are the properties of the Java catalog,
 * {@code PUFFINDB_CATALOG_*} those of the function itself.
 *
 * <p>{@code CATALOG_CATALOG__IMPL=…} is the property {@code catalog-impl}: two underscores stand
 * for a hyphen, one for a dot, as in Iceberg's own REST fixture. {@code CATALOG_TYPE=glue} names
 * one of Iceberg's catalogs.
 */
record Settings(Map<String, String> properties, String token, int maxAnswerBytes) {

  private static final String PREFIX = "CATALOG_";

  /** What Lambda lets a function answer, less some room for the envelope. */
  private static final int LAMBDA_ANSWER_BYTES = 6 * 1024 * 1024 - 64 * 1024;

  static Settings fromEnvironment(Map<String, String> environment) {
    Map<String, String> properties = new HashMap<>();
    environment.forEach(
        (name, value) -> {
          if (name.startsWith(PREFIX)) {
            properties.put(propertyName(name.substring(PREFIX.length())), value);
          }
        });
    if (!properties.containsKey(CatalogProperties.CATALOG_IMPL)
        && !properties.containsKey(CatalogUtil.ICEBERG_CATALOG_TYPE)) {
      throw new IllegalArgumentException(
          "no catalog is configured: set CATALOG_TYPE (glue, jdbc, hadoop, hive, nessie, rest) or"
              + " CATALOG_CATALOG__IMPL (a class), and its properties as CATALOG_<NAME>");
    }
    String warehouse = properties.getOrDefault(CatalogProperties.WAREHOUSE_LOCATION, "");
    if (warehouse.startsWith("file:") || warehouse.startsWith("/")) {
      properties.putIfAbsent(CatalogProperties.FILE_IO_IMPL, LocalFileIO.class.getName());
    }
    String token = environment.getOrDefault("PUFFINDB_CATALOG_TOKEN", "");
    return new Settings(Map.copyOf(properties), token, LAMBDA_ANSWER_BYTES);
  }

  private static String propertyName(String name) {
    return name.replace("__", "-").replace('_', '.').toLowerCase(Locale.ROOT);
  }

  Catalog loadCatalog() {
    return CatalogUtil.buildIcebergCatalog("catalog", properties, null);
  }
}
