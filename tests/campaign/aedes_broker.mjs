// An aedes broker (MQTT 3.1.1) on a loopback port, everything in memory: aedes_broker.mjs PORT [unfaithful | forgetful]
//
// A forgetful one passes on nothing of what it acknowledges while it is between its 30th and its 60th message: a broker that
// lost the queue of its subscriber. An unfaithful one is what a judge of brokers must find: it passes messages on at QoS 0, keeps none of the retained ones,
// changes the last byte of each tenth and forgets each seventh of which it said that it took it.
import { createServer } from "node:net";
import { Aedes } from "aedes";

const [port, how] = process.argv.slice(2);
const broker = await Aedes.createBroker();
let count = 0;

function spoil(_client, packet) {
	if (++count % 7 === 0)
		return null;
	const payload = count % 10 ? packet.payload : Buffer.concat([packet.payload.subarray(0, -1), Buffer.from(" ")]);
	return { ...packet, payload, qos: 0 };
}

if (how === "forgetful")
	broker.authorizeForward = (_client, packet) => (++count > 30 && count <= 60 ? null : packet);
if (how === "unfaithful") {
	broker.authorizeForward = spoil;
	broker.authorizePublish = (_client, packet, done) => {
		packet.retain = false;
		done(null);
	};
}
createServer(broker.handle).listen(Number(port), "127.0.0.1");
