// What an application does with Azure's package for SIP routing: a list of calls on standard input, their results on
// standard output, both JSON. The connection string comes as an argument; nothing else is set.
import { SipRoutingClient } from "@azure/communication-phone-numbers";
import { text } from "node:stream/consumers";

const [, , connectionString] = process.argv;
const client = new SipRoutingClient(connectionString, { retryOptions: { maxRetries: 0 } });

const all = async (items) => {
  const found = [];
  for await (const item of items) found.push(item);
  return found;
};

const verbs = {
  listTrunks: () => all(client.listTrunks()),
  listRoutes: () => all(client.listRoutes()),
  getTrunk: (fqdn) => client.getTrunk(fqdn),
  setTrunk: (trunk) => client.setTrunk(trunk),
  setTrunks: (trunks) => client.setTrunks(trunks),
  setRoutes: (routes) => client.setRoutes(routes),
  deleteTrunk: async (fqdn) => (await client.deleteTrunk(fqdn)) ?? null,
};

const results = [];
for (const [verb, ...parameters] of JSON.parse(await text(process.stdin))) {
  try {
    results.push({ result: (await verbs[verb](...parameters)) ?? null });
  } catch (error) {
    results.push({
      error: {
        status: error.statusCode,
        code: error.code,
        message: error.message,
        inner: error.details?.error?.innererror ?? error.details?.error?.innerError,
      },
    });
  }
}
console.log(JSON.stringify(results));
