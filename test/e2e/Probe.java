import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

/** POSTs twice over one client, which offers h2c by default on the first of a connection; prints what came back. */
class Probe {
  public static void main(String[] arguments) throws Exception {
    var client = HttpClient.newHttpClient();
    for (var id : new String[] {"java-1", "java-2"}) {
      var request =
          HttpRequest.newBuilder(URI.create(arguments[0]))
              .header("x-call-id", id)
              .header("content-type", "application/json")
              .POST(HttpRequest.BodyPublishers.ofString("{\"subject\":\"java\"}"))
              .build();
      var answer = client.send(request, HttpResponse.BodyHandlers.ofString());
      System.out.println(answer.statusCode() + " " + answer.version() + " " + answer.body());
    }
  }
}
