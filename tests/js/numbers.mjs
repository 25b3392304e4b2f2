// What an application does with Azure's package for phone numbers: a list of calls on standard input, their results
// on standard output, both JSON. The connection string comes as an argument; nothing else is set.
import { PhoneNumbersClient } from "@azure/communication-phone-numbers";
import { text } from "node:stream/consumers";

const [, , connectionString] = process.argv;
const client = new PhoneNumbersClient(connectionString, { retryOptions: { maxRetries: 0 } });

const done = async (begun) => (await begun).pollUntilDone();
const all = async (pages) => {
  const found = [];
  for await (const page of pages) found.push(page);
  return found;
};

const verbs = {
  search: (wanted) => done(client.beginSearchAvailablePhoneNumbers(wanted)),
  // Only the generated client inside has it.
  cancel: async (searchId) => (await client.client.phoneNumbers.cancelOperation(`search_${searchId}`)) ?? null,
  purchase: (searchId, options) => done(client.beginPurchasePhoneNumbers(searchId, options)),
  update: (number, wanted) => done(client.beginUpdatePhoneNumberCapabilities(number, wanted)),
  release: (number) => done(client.beginReleasePhoneNumber(number)),
  get: (number) => client.getPurchasedPhoneNumber(number),
  list: (options) => all(client.listPurchasedPhoneNumbers(options)),
  pages: async (options) =>
    (await all(client.listPurchasedPhoneNumbers(options).byPage())).map((page) => page.map((one) => one.phoneNumber)),
  browse: (wanted, options) => client.browseAvailablePhoneNumbers(wanted, options),
  reserve: (reservationId, options) => client.createOrUpdateReservation({ reservationId }, options),
  reservation: (id) => client.getReservation(id),
  reservations: () => all(client.listReservations()),
  deleteReservation: async (id) => (await client.deleteReservation(id)) ?? null,
  purchaseReservation: (id, options) => done(client.beginReservationPurchase(id, options)),
  countries: (options) => all(client.listAvailableCountries(options)),
  localities: (country, options) => all(client.listAvailableLocalities(country, options)),
  offerings: (country, options) => all(client.listAvailableOfferings(country, options)),
  geographic: (country, options) => all(client.listAvailableGeographicAreaCodes(country, options)),
  tollFree: (country) => all(client.listAvailableTollFreeAreaCodes(country)),
  operator: (numbers, options) => client.searchOperatorInformation(numbers, options),
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
