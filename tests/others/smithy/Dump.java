import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import software.amazon.smithy.model.Model;
import software.amazon.smithy.model.loader.ModelAssembler;
import software.amazon.smithy.model.node.Node;
import software.amazon.smithy.model.shapes.ModelSerializer;

/** Writes the models of a folder as one JSON document; traits that are defined elsewhere are kept as they are. */
class Dump {
    public static void main(String[] folder) throws Exception {
        ModelAssembler assembler = Model.assembler().putProperty(ModelAssembler.ALLOW_UNKNOWN_TRAITS, true);
        try (Stream<Path> files = Files.walk(Path.of(folder[0]))) {
            files.filter(each -> each.toString().endsWith(".smithy")).forEach(assembler::addImport);
        }
        Model model = assembler.assemble().getResult().orElseThrow();
        Files.writeString(Path.of(folder[1]), Node.printJson(ModelSerializer.builder().build().serialize(model)));
    }
}
