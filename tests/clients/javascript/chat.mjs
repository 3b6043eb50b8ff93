// One matrix-js-sdk client: logs in, syncs, enters a room, sends one message, waits for another.
// The task is a JSON object on stdin, see tests/clients/javascript.py; the outcome is JSON on stdout.
import dns from "node:dns";
import { text } from "node:stream/consumers";

// stdout is for the outcome; the libraries, the WebAssembly one included, log to the console.
for (const level of ["log", "info", "debug"]) console[level] = console.error;

const task = JSON.parse(await text(process.stdin));

// Every name is at the host under test; fetch() finds names through dns.lookup. The certificate is
// still verified for the name, against NODE_EXTRA_CA_CERTS.
dns.lookup = (name, options, callback) => {
    const done = callback ?? options;
    if (options?.all) done(null, [{ address: task.address, family: 4 }]);
    else done(null, task.address, 4);
};

// matrix-js-sdk 43 asks for Node 22; this one function is all that it misses in Node 20.
Promise.withResolvers ??= function () {
    const parts = {};
    parts.promise = new this((resolve, reject) => Object.assign(parts, { resolve, reject }));
    return parts;
};

const sdk = await import("matrix-js-sdk");
const quiet = { trace() {}, debug() {}, info() {}, warn() {}, error: console.error };
quiet.getChild = () => quiet;

const visitor = sdk.createClient({ baseUrl: task.base_url, logger: quiet });
const login = await visitor.loginRequest({
    type: "m.login.password",
    identifier: { type: "m.id.user", user: task.localpart },
    password: task.password,
});
const client = sdk.createClient({
    baseUrl: task.base_url,
    userId: login.user_id,
    deviceId: login.device_id,
    accessToken: login.access_token,
    logger: quiet,
});
if (task.encrypted) await client.initRustCrypto({ useIndexedDB: false });

const heard = waitForText(task.expect);
await client.startClient({ initialSyncLimit: 20 });
await new Promise((resolve) =>
    client.on(sdk.ClientEvent.Sync, (state) => state === "PREPARED" && resolve()),
);
await client.joinRoom(task.room);
await waitForMembers(task.room);
const sent = await client.sendTextMessage(task.room, task.say);
const event = await heard;
process.stdout.write(
    JSON.stringify({
        user_id: login.user_id,
        sent: sent.event_id,
        heard: event.getId(),
        heard_encrypted: event.isEncrypted(),
    }),
);
client.stopClient();
process.exit(0);

// A message with this text, in clear or decrypted.
function waitForText(wanted) {
    return new Promise((resolve) => {
        const consider = (event) => event.getContent()?.body === wanted && resolve(event);
        client.on(sdk.RoomEvent.Timeline, consider);
        client.on(sdk.MatrixEventEvent.Decrypted, consider);
    });
}

// Keys go to the members that the client knows, so it must know the room first.
async function waitForMembers(room) {
    while (client.getRoom(room)?.getMyMembership() !== "join") {
        await new Promise((resolve) => setTimeout(resolve, 100));
    }
    await client.getRoom(room).loadMembersIfNeeded();
}
