package example;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.net.URI;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import software.amazon.awssdk.awscore.AwsResponse;
import software.amazon.awssdk.awscore.exception.AwsServiceException;
import software.amazon.awssdk.core.SdkField;
import software.amazon.awssdk.core.SdkPojo;
import software.amazon.awssdk.core.protocol.MarshallingType;
import software.amazon.awssdk.core.traits.ListTrait;
import software.amazon.awssdk.core.traits.MapTrait;
import software.amazon.awssdk.core.util.SdkAutoConstructList;
import software.amazon.awssdk.core.util.SdkAutoConstructMap;
import software.amazon.awssdk.services.cleanroomsml.CleanRoomsMlClient;
import software.amazon.awssdk.utils.builder.SdkBuilder;

/** The scenario by the AWS SDK for Java v2; requests and results are walked by the SDK's own field tables. */
public final class Run {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String REQUESTS = "software.amazon.awssdk.services.cleanroomsml.model.";

  private final CleanRoomsMlClient client =
      CleanRoomsMlClient.builder().endpointOverride(URI.create(System.getenv("AWS_ENDPOINT_URL"))).build();
  private final Map<String, String> known = new HashMap<>();

  public static void main(String[] args) throws Exception {
    new Run().play(JSON.readTree(System.getenv("SCENARIO")), JSON.readTree(System.getenv("KNOWN")));
  }

  private void play(JsonNode scenario, JsonNode variables) throws Exception {
    variables.fields().forEachRemaining(each -> known.put(each.getKey(), each.getValue().asText()));
    for (JsonNode step : scenario) {
      Map<String, Object> result = ask(step);
      for (int turn = 0; step.has("until") && !isDone(step, result) && turn < 600; turn++) {
        Thread.sleep(100);
        result = ask(step);
      }
      JsonNode seen = JSON.valueToTree(result);
      step.path("keep").fields().forEachRemaining(
          each -> known.put(each.getKey(), at(seen.path("output"), each.getValue().asText()).asText()));
      Map<String, Object> line = new LinkedHashMap<>();
      line.put("id", step.get("id").asText());
      line.putAll(result);
      System.out.println(JSON.writeValueAsString(line));
    }
  }

  private Map<String, Object> ask(JsonNode step) throws Exception {
    String call = step.get("call").asText();
    String method = call.substring(0, 1).toLowerCase() + call.substring(1);
    Class<?> type = Class.forName(REQUESTS + call + "Request");
    Object request = build((SdkPojo) type.getMethod("builder").invoke(null), step.get("with"));
    try {
      if (!step.path("pages").asBoolean()) {
        return answered((AwsResponse) invoke(method, type, request), null);
      }
      List<AwsResponse> pages = new ArrayList<>();
      for (Object page : (Iterable<?>) invoke(method + "Paginator", type, request)) {
        pages.add((AwsResponse) page);
      }
      return answered(pages.get(pages.size() - 1), merged(pages));
    } catch (AwsServiceException error) {
      return refused(error);
    }
  }

  private Object invoke(String name, Class<?> type, Object request) throws Exception {
    Method method = CleanRoomsMlClient.class.getMethod(name, type);
    try {
      return method.invoke(client, request);
    } catch (InvocationTargetException error) {
      throw (Exception) error.getCause();
    }
  }

  private static Map<String, Object> answered(AwsResponse response, Map<String, Object> pages) {
    Map<String, Object> result = new LinkedHashMap<>();
    result.put("output", pages == null ? members((SdkPojo) response) : pages);
    result.put("status", response.sdkHttpResponse().statusCode());
    result.put("requestId", response.responseMetadata().requestId());
    return result;
  }

  private static Map<String, Object> merged(List<AwsResponse> pages) {
    Map<String, Object> all = new LinkedHashMap<>();
    for (AwsResponse page : pages) {
      members((SdkPojo) page).forEach((name, value) -> {
        if (value instanceof List<?> list) {
          @SuppressWarnings("unchecked")
          List<Object> sum = (List<Object>) all.computeIfAbsent(name, key -> new ArrayList<Object>());
          sum.addAll(list);
        }
      });
    }
    return all;
  }

  private static Map<String, Object> refused(AwsServiceException error) {
    Map<String, Object> problem = new LinkedHashMap<>();
    problem.put("code", error.awsErrorDetails().errorCode());
    problem.put("message", error.awsErrorDetails().errorMessage());
    Map<String, Object> own = members(error);
    for (String name : List.of("quotaName", "quotaValue")) {
      problem.put(name, own.get(name));
    }
    Map<String, Object> result = new LinkedHashMap<>();
    result.put("error", problem);
    result.put("status", error.statusCode());
    result.put("requestId", error.requestId());
    return result;
  }

  private static boolean isDone(JsonNode step, Map<String, Object> result) {
    JsonNode seen = JSON.valueToTree(result);
    String path = step.get("until").get(0).asText();
    JsonNode found = path.equals("error") ? seen.path("error").path("code") : at(seen.path("output"), path);
    return found.asText().equals(step.get("until").get(1).asText());
  }

  private static JsonNode at(JsonNode value, String path) {
    for (String name : path.split("\\.")) {
      value = name.matches("\\d+") ? value.path(Integer.parseInt(name)) : value.path(name);
    }
    return value;
  }

  private Object build(SdkPojo builder, JsonNode value) {
    for (SdkField<?> field : builder.sdkFields()) {
      JsonNode member = value.get(field.locationName());
      if (member != null) {
        field.set(builder, convert(field, member));
      }
    }
    value.fieldNames().forEachRemaining(name -> {
      if (builder.sdkFields().stream().noneMatch(field -> field.locationName().equals(name))) {
        throw new IllegalArgumentException("the SDK does not know " + name);
      }
    });
    return ((SdkBuilder<?, ?>) builder).build();
  }

  private Object convert(SdkField<?> field, JsonNode value) {
    MarshallingType<?> type = field.marshallingType();
    if (type == MarshallingType.SDK_POJO) {
      return build(field.constructor().get(), value);
    }
    if (type == MarshallingType.LIST) {
      List<Object> list = new ArrayList<>();
      value.forEach(each -> list.add(convert(field.getTrait(ListTrait.class).memberFieldInfo(), each)));
      return list;
    }
    if (type == MarshallingType.MAP) {
      Map<String, Object> map = new LinkedHashMap<>();
      SdkField<?> inner = field.getTrait(MapTrait.class).valueFieldInfo();
      value.fields().forEachRemaining(each -> map.put(filled(each.getKey()), convert(inner, each.getValue())));
      return map;
    }
    if (type == MarshallingType.INSTANT) {
      return Instant.parse(value.get("$date").asText());
    }
    if (type == MarshallingType.INTEGER) {
      return value.asInt();
    }
    return type == MarshallingType.BOOLEAN ? (Object) value.asBoolean() : filled(value.asText());
  }

  private String filled(String text) {
    Matcher found = Pattern.compile("\\$(\\w+)").matcher(text);
    return found.replaceAll(each -> Matcher.quoteReplacement(known.getOrDefault(each.group(1), each.group())));
  }

  private static Map<String, Object> members(SdkPojo pojo) {
    Map<String, Object> found = new LinkedHashMap<>();
    for (SdkField<?> field : pojo.sdkFields()) {
      Object value = field.getValueOrDefault(pojo);
      if (value != null && !(value instanceof SdkAutoConstructList) && !(value instanceof SdkAutoConstructMap)
          && !field.locationName().equals("nextToken")) {
        found.put(field.locationName(), told(value));
      }
    }
    return found;
  }

  private static Object told(Object value) {
    if (value instanceof Instant instant) {
      return Map.of("$date", instant.toString());
    }
    if (value instanceof SdkPojo pojo) {
      return members(pojo);
    }
    if (value instanceof Map<?, ?> map) {
      Map<String, Object> found = new LinkedHashMap<>();
      map.forEach((name, each) -> found.put((String) name, told(each)));
      return found;
    }
    if (value instanceof Collection<?> list) {
      return list.stream().map(Run::told).toList();
    }
    return value;
  }
}
