// SPDX-License-Identifier: MIT
package puffindb.catalog;

import com.fasterxml.jackson.annotation.JsonAutoDetect;
import com.fasterxml.jackson.annotation.PropertyAccessor;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import org.apache.iceberg.rest.RESTSerializers;

/** JSON as Iceberg's REST protocol writes it. */
final class Json {
  static final ObjectMapper MAPPER = new ObjectMapper();

  static {
    MAPPER.setVisibility(PropertyAccessor.FIELD, JsonAutoDetect.Visibility.ANY);
    MAPPER.configure(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES, false);
    MAPPER.setPropertyNamingStrategy(PropertyNamingStrategies.KEBAB_CASE);
    RESTSerializers.registerAll(MAPPER);
  }

  private Json() {}

  /**
   * @throws BadRequestException if the text is no such request
   */
  static <T> T read(String text, Class<T> type) {
    try {
      T value = MAPPER.readValue(text, type);
      if (value == null) {
        throw new BadRequestException("the body is null, expected a " + type.getSimpleName());
      }
      return value;
    } catch (BadRequestException e) {
      throw e;
    } catch (JsonProcessingException e) {
      throw new BadRequestException(
          "the body is no " + type.getSimpleName() + ": " + e.getOriginalMessage());
    } catch (RuntimeException e) { // of Iceberg's own parsers: an unknown update, a missing field
      throw new BadRequestException(
          "the body is no " + type.getSimpleName() + ": " + e.getMessage());
    }
  }

  static String write(Object value) {
    try {
      return MAPPER.writeValueAsString(value);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException(
          "can't write " + value.getClass().getSimpleName() + ": " + e.getMessage(), e);
    }
  }
}
