// SPDX-License-Identifier: MIT
package puffindb.catalog;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Map;
import org.apache.iceberg.exceptions.NotFoundException;
import org.apache.iceberg.io.FileIO;
import org.apache.iceberg.io.InputFile;
import org.apache.iceberg.io.OutputFile;

/**
 * Files of this host, as {@code file:} URIs or plain paths, without Hadoop. Locations stay as they
 * were given, since metadata names them.
 */
public final class LocalFileIO implements FileIO {
  private static final long serialVersionUID = 1;

  /** Called by Iceberg through reflection. */
  public LocalFileIO() {}

  static Path pathOf(String location) {
    if (!location.startsWith("file:")) {
      return Path.of(location);
    }
    String path = location.substring("file:".length());
    return Path.of(path.startsWith("//") ? path.substring(path.indexOf('/', 2)) : path);
  }

  @Override
  public void initialize(Map<String, String> properties) {}

  @Override
  public InputFile newInputFile(String location) {
    return new Input(location);
  }

  @Override
  public OutputFile newOutputFile(String location) {
    return new Output(location);
  }

  @Override
  public void deleteFile(String location) {
    try {
      Files.delete(pathOf(location));
    } catch (NoSuchFileException e) {
      throw new NotFoundException(e, "%s doesn't exist", location);
    } catch (IOException e) {
      throw new UncheckedIOException("can't delete " + location + ": " + e.getMessage(), e);
    }
  }

  private record Input(String location) implements InputFile {
    private InputFile file() {
      return org.apache.iceberg.Files.localInput(pathOf(location).toFile());
    }

    @Override
    public long getLength() {
      File file = pathOf(location).toFile();
      if (!file.exists()) {
        throw new NotFoundException("%s doesn't exist", location);
      }
      return file.length();
    }

    @Override
    public org.apache.iceberg.io.SeekableInputStream newStream() {
      try {
        return file().newStream();
      } catch (NotFoundException e) { // named as the metadata names it
        throw new NotFoundException(e, "Failed to open input stream for file: %s", location);
      }
    }

    @Override
    public boolean exists() {
      return Files.exists(pathOf(location));
    }
  }

  private record Output(String location) implements OutputFile {
    private OutputFile file() {
      return org.apache.iceberg.Files.localOutput(pathOf(location).toFile());
    }

    @Override
    public org.apache.iceberg.io.PositionOutputStream create() {
      return file().create();
    }

    @Override
    public org.apache.iceberg.io.PositionOutputStream createOrOverwrite() {
      return file().createOrOverwrite();
    }

    @Override
    public InputFile toInputFile() {
      return new Input(location);
    }
  }
}
