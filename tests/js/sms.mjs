// What an application does with Azure's package: a list of calls on standard input, their results on standard
// output, both JSON. The package and the connection string come as arguments; nothing else is set.
import { createCommunicationAuthPolicy, parseClientArguments } from "@azure/communication-common";
import { createDefaultHttpClient, createPipelineFromOptions, createPipelineRequest } from "@azure/core-rest-pipeline";
import { text } from "node:stream/consumers";

const [, , name, connectionString] = process.argv;
const { SmsClient } = await import(name);
const client = new SmsClient(connectionString, { retryOptions: { maxRetries: 0 } });

// The delivery report is in no released package yet: asked for with the same pipeline and signature.
async function report(messageId, version) {
  const { url, credential } = parseClientArguments(connectionString);
  const pipeline = createPipelineFromOptions({});
  pipeline.addPolicy(createCommunicationAuthPolicy(credential));
  const target = new URL(`/deliveryReports/${encodeURIComponent(messageId)}?api-version=${version}`, url);
  const answer = await pipeline.sendRequest(createDefaultHttpClient(), createPipelineRequest({ url: target.href }));
  return { status: answer.status, body: JSON.parse(answer.bodyAsText) };
}

// As docs/how-to/beyond-texts.md shows it.
function tandem(asked) {
  return {
    name: "tandem",
    sendRequest(request, next) {
      request.body = JSON.stringify({ ...JSON.parse(request.body), tandem: asked });
      return next(request);
    },
  };
}

function sendBeyond(request, asked) {
  const additionalPolicies = [{ policy: tandem(asked), position: "perCall" }];
  return new SmsClient(connectionString, { retryOptions: { maxRetries: 0 }, additionalPolicies }).send(request);
}

const verbs = {
  send: (request, options) => client.send(request, options),
  add: (from, to) => client.optOuts.add(from, to),
  remove: (from, to) => client.optOuts.remove(from, to),
  check: (from, to) => client.optOuts.check(from, to),
  report,
  sendBeyond,
};

const results = [];
for (const [verb, ...parameters] of JSON.parse(await text(process.stdin))) {
  try {
    results.push({ result: await verbs[verb](...parameters) });
  } catch (error) {
    results.push({ error: { name: error.name, status: error.statusCode, code: error.code, message: error.message } });
  }
}
console.log(JSON.stringify(results));
