// What a trusted service does with Azure's package: a list of calls on standard input, their results on standard
// output, both JSON. The connection string comes as an argument; nothing else is set.
import { AzureCommunicationTokenCredential } from "@azure/communication-common";
import { CommunicationIdentityClient } from "@azure/communication-identity";
import { text } from "node:stream/consumers";

const [, , connectionString] = process.argv;
const client = new CommunicationIdentityClient(connectionString, { retryOptions: { maxRetries: 0 } });

const verbs = {
  createUser: () => client.createUser(),
  createUserAndToken: (scopes, options) => client.createUserAndToken(scopes, options),
  getToken: (user, scopes, options) => client.getToken(user, scopes, options),
  revokeTokens: (user) => client.revokeTokens(user),
  deleteUser: (user) => client.deleteUser(user),
  // A client that has a token of Microsoft Entra's, and wants one of ours for it.
  entra: async (resourceEndpoint) =>
    (
      await new AzureCommunicationTokenCredential({
        resourceEndpoint,
        tokenCredential: { getToken: async () => ({ token: "an.entra.token", expiresOnTimestamp: Date.now() + 3.6e6 }) },
        scopes: ["https://communication.azure.com/clients/VoIP"],
      }).getToken()
    ).token,
  exchange: (options) => client.getTokenForTeamsUser(options),
  // When a client of chat or calls believes that the token ends.
  credential: async (token) => (await new AzureCommunicationTokenCredential(token).getToken()).expiresOnTimestamp,
};

const results = [];
for (const [verb, ...parameters] of JSON.parse(await text(process.stdin))) {
  try {
    // A result of an earlier call stands in as {"from": [index, field, ...]}.
    const given = parameters.map((each) =>
      each?.from ? each.from.slice(1).reduce((value, field) => value[field], results[each.from[0]].result) : each,
    );
    results.push({ result: (await verbs[verb](...given)) ?? null });
  } catch (error) {
    results.push({ error: { name: error.name, status: error.statusCode, code: error.code, message: error.message } });
  }
}
console.log(JSON.stringify(results));
