#include "mqtt.h"

#include <MQTTAsync.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../drivers/text.h"

#define LIBRARY_WINDOW      65535  /* the window is ours: the library's own sleeps a second whenever it is full */
#define INCOMING_MAX        65536  /* bytes of a message from the platform that are kept */
#define INCOMING_PACKET_MAX 131072 /* what the broker is told not to exceed */
#define INCOMING_IN_FLIGHT  16
#define DISCONNECT_WAIT_MS  500

struct mqtt {
	MQTTAsync client;
	bool version5;
	bool over; /* MQTT_DOWN was said; under the queue's lock */
	struct mqtt_queue queue;
	struct mqtt_limits limits; /* written before MQTT_UP is pushed */
	char failure[256];         /* under the queue's lock */
	int authorities_fd;        /* a file in memory that the library reads while it connects; -1: none */
	char authorities[32];      /* its path */
};

/* The library keeps its threads and tables only while it has a client; this one never connects and keeps them. */
static MQTTAsync anchor;
static pthread_once_t prepared = PTHREAD_ONCE_INIT;

static void prepare(void)
{
	/* The library would send plain MQTT to a web proxy named here. */
	unsetenv("http_proxy");
	unsetenv("https_proxy");
	unsetenv("HTTP_PROXY");
	unsetenv("HTTPS_PROXY");
	if (MQTTAsync_create(&anchor, "tcp://127.0.0.1:1", "anchor", MQTTCLIENT_PERSISTENCE_NONE, NULL) !=
		MQTTASYNC_SUCCESS)
		anchor = NULL; /* then each last client stops the threads, which costs time and nothing else */
}

/* ---- the library's threads: copy, push, return ---- */

static void note_failure(struct mqtt *mqtt, const char *text)
{
	if (!text || !*text)
		return;
	pthread_mutex_lock(&mqtt->queue.lock);
	if (!mqtt->failure[0])
		text_copy(mqtt->failure, sizeof(mqtt->failure), text);
	pthread_mutex_unlock(&mqtt->queue.lock);
}

static void push(struct mqtt *mqtt, enum mqtt_event_kind kind, int token, int reason)
{
	mqtt_queue_push(&mqtt->queue, &(struct mqtt_event){ .kind = kind, .token = token, .reason = reason });
}

static void push_down(struct mqtt *mqtt, int reason)
{
	pthread_mutex_lock(&mqtt->queue.lock);
	bool first = !mqtt->over;
	mqtt->over = true;
	pthread_mutex_unlock(&mqtt->queue.lock);
	if (first)
		push(mqtt, MQTT_DOWN, 0, reason);
}

static void on_up(void *context, MQTTAsync_successData *data)
{
	(void)data;
	push(context, MQTT_UP, 0, 0);
}

static size_t number_property(MQTTProperties *properties, enum MQTTPropertyCodes code, size_t otherwise)
{
	if (!MQTTProperties_hasProperty(properties, code))
		return otherwise;
	return (size_t)(unsigned)MQTTProperties_getNumericValue(properties, code);
}

static void on_up5(void *context, MQTTAsync_successData5 *data)
{
	struct mqtt *mqtt = context;
	mqtt->limits.in_flight = number_property(&data->properties, MQTTPROPERTY_CODE_RECEIVE_MAXIMUM, 65535);
	mqtt->limits.packet_size = number_property(&data->properties, MQTTPROPERTY_CODE_MAXIMUM_PACKET_SIZE, 0);
	push(mqtt, MQTT_UP, 0, 0);
}

/* The library puts the broker's refusal into `code` (1.3.12) or `reasonCode` (1.3.15); its own codes are negative. */
static void on_connect_failed(void *context, MQTTAsync_failureData *data)
{
	if (data)
		note_failure(context, data->message);
	push_down(context, data && data->code > 0 ? data->code : 0);
}

static void on_connect_failed5(void *context, MQTTAsync_failureData5 *data)
{
	if (data)
		note_failure(context, data->message);
	int reason = !data ? 0 : data->reasonCode > 0 ? (int)data->reasonCode : data->code > 0 ? data->code : 0;
	push_down(context, reason);
}

static void on_lost(void *context, char *cause)
{
	note_failure(context, cause);
	push_down(context, 0);
}

static void on_told_to_go(void *context, MQTTProperties *properties, enum MQTTReasonCodes reason)
{
	(void)properties;
	push_down(context, (int)reason);
}

static void on_delivered(void *context, MQTTAsync_successData *data)
{
	push(context, MQTT_DELIVERED, data->token, 0);
}

static void on_delivered5(void *context, MQTTAsync_successData5 *data)
{
	push(context, MQTT_DELIVERED, data->token, 0);
}

static void on_not_sent(void *context, MQTTAsync_failureData *data)
{
	push(context, MQTT_NOT_SENT, data->token, 0);
}

static void on_refused5(void *context, MQTTAsync_failureData5 *data)
{
	bool by_broker = (int)data->reasonCode >= 0x80;
	push(context, by_broker ? MQTT_REFUSED : MQTT_NOT_SENT, data->token, by_broker ? (int)data->reasonCode : 0);
}

static void on_subscribed(void *context, MQTTAsync_successData *data)
{
	if (data->alt.qos >= 0x80)
		push(context, MQTT_NOT_SUBSCRIBED, data->token, data->alt.qos);
}

static void on_subscribe_failed(void *context, MQTTAsync_failureData *data)
{
	push(context, MQTT_NOT_SUBSCRIBED, data->token, data->code > 0 ? data->code : 0x80);
}

static void on_subscribe_failed5(void *context, MQTTAsync_failureData5 *data)
{
	push(context, MQTT_NOT_SUBSCRIBED, data->token, (int)data->reasonCode);
}

static void on_disconnected(void *context, MQTTAsync_successData *data)
{
	(void)data;
	push_down(context, 0);
}

static void on_disconnected5(void *context, MQTTAsync_successData5 *data)
{
	(void)data;
	push_down(context, 0);
}

static void *copy_bytes(const void *data, size_t length)
{
	char *copy = malloc(length + 1);
	if (!copy)
		abort();
	if (length)
		memcpy(copy, data, length);
	copy[length] = '\0';
	return copy;
}

static void copy_answer_place(struct mqtt_incoming *incoming, MQTTProperties *properties)
{
	MQTTProperty *topic = MQTTProperties_getProperty(properties, MQTTPROPERTY_CODE_RESPONSE_TOPIC);
	MQTTProperty *data = MQTTProperties_getProperty(properties, MQTTPROPERTY_CODE_CORRELATION_DATA);
	if (topic)
		incoming->response_topic = copy_bytes(
			topic->value.data.data, strnlen(topic->value.data.data, (size_t)topic->value.data.len));
	if (data) {
		incoming->correlation_length = (size_t)data->value.data.len;
		incoming->correlation = copy_bytes(data->value.data.data, incoming->correlation_length);
	}
}

static int on_message(void *context, char *topic, int topic_length, MQTTAsync_message *message)
{
	struct mqtt *mqtt = context;
	struct mqtt_incoming *incoming = calloc(1, sizeof(*incoming));
	if (!incoming)
		abort();
	incoming->topic = copy_bytes(topic, topic_length ? (size_t)topic_length : strlen(topic));
	incoming->length = (size_t)message->payloadlen;
	incoming->retained = message->retained != 0;
	if (incoming->length <= INCOMING_MAX)
		incoming->payload = copy_bytes(message->payload, incoming->length);
	if (mqtt->version5)
		copy_answer_place(incoming, &message->properties);
	mqtt_queue_push(&mqtt->queue, &(struct mqtt_event){ .kind = MQTT_INCOMING, .message = incoming });
	MQTTAsync_freeMessage(&message);
	MQTTAsync_free(topic);
	return 1;
}

/* OpenSSL's line is thread:error:number:library:function:reason:file:line: and people need the reason. */
static int on_tls_fault(const char *text, size_t length, void *context)
{
	char whole[256], parts[256], *rest = parts, *reason = NULL;
	snprintf(whole, sizeof(whole), "%.*s", (int)(length < 250 ? length : 250), text);
	snprintf(parts, sizeof(parts), "%s", whole);
	for (int field = 0; field <= 5 && rest; field++)
		reason = strsep(&rest, ":");
	note_failure(context, rest ? reason : whole);
	return 1;
}

/* ---- the owner's side ---- */

static int create_client(struct mqtt *mqtt, const struct mqtt_options *options, struct fault *fault)
{
	MQTTAsync_createOptions create = MQTTAsync_createOptions_initializer;
	create.MQTTVersion = options->version5 ? MQTTVERSION_5 : MQTTVERSION_3_1_1;
	create.maxBufferedMessages = LIBRARY_WINDOW; /* it counts messages in flight too */
	bool tls = strncmp(options->broker, "mqtts://", 8) == 0;
	char uri[300];
	snprintf(uri, sizeof(uri), "%s%s", tls ? "ssl://" : "tcp://", strstr(options->broker, "://") + 3);
	int rc = MQTTAsync_createWithOptions(
		&mqtt->client, uri, options->client_id, MQTTCLIENT_PERSISTENCE_NONE, NULL, &create);
	if (rc != MQTTASYNC_SUCCESS)
		return fault_set(
			fault, EINVAL, _("the MQTT library does not take the address %s (%d)"), options->broker, rc);
	MQTTAsync_setCallbacks(mqtt->client, mqtt, on_lost, on_message, NULL);
	MQTTAsync_setDisconnected(mqtt->client, mqtt, on_told_to_go);
	return 0;
}

static const char *given(const char *text)
{
	return text && *text ? text : NULL;
}

static void fill_tls(MQTTAsync_SSLOptions *tls, const struct mqtt_options *options, struct mqtt *mqtt)
{
	tls->trustStore = *mqtt->authorities ? mqtt->authorities : given(options->tls.ca);
	tls->CApath = given(options->tls.ca) ? NULL : "/etc/ssl/certs";
	tls->disableDefaultTrustStore = 1; /* a given authority is the only one; the system's are named above */
	tls->keyStore = given(options->tls.client_cert);
	tls->privateKey = given(options->tls.client_key);
	tls->enableServerCertAuth = 1;
	tls->verify = 1; /* without it the certificate of any other host is accepted */
	/* The library's "TLS 1.2" means that version only. At security level 2 OpenSSL 3 speaks nothing older. */
	tls->sslVersion = MQTT_SSL_VERSION_DEFAULT;
	tls->enabledCipherSuites = "HIGH:!aNULL:!eNULL:!PSK:@SECLEVEL=2";
	tls->ssl_error_cb = on_tls_fault;
	tls->ssl_error_context = mqtt;
}

static void add_number(MQTTProperties *properties, enum MQTTPropertyCodes code, unsigned value)
{
	MQTTProperty property = { .identifier = code };
	if (code == MQTTPROPERTY_CODE_RECEIVE_MAXIMUM)
		property.value.integer2 = (unsigned short)value;
	else
		property.value.integer4 = value;
	MQTTProperties_add(properties, &property);
}

static int begin_connect(struct mqtt *mqtt, const struct mqtt_options *options, MQTTAsync_connectOptions *connect)
{
	MQTTAsync_willOptions will = MQTTAsync_willOptions_initializer;
	MQTTAsync_SSLOptions tls = MQTTAsync_SSLOptions_initializer;
	MQTTProperties properties = MQTTProperties_initializer;
	will.topicName = options->will_topic;
	will.message = options->will_payload;
	will.retained = 1;
	will.qos = 1;
	connect->will = &will;
	connect->context = mqtt;
	connect->keepAliveInterval = options->keepalive_s;
	connect->connectTimeout = options->connect_timeout_s;
	connect->maxInflight = LIBRARY_WINDOW;
	connect->username = given(options->username);
	connect->password = given(options->password);
	if (strncmp(options->broker, "mqtts://", 8) == 0) {
		fill_tls(&tls, options, mqtt);
		connect->ssl = &tls;
	}
	if (options->version5) {
		connect->cleanstart = 1;
		connect->onSuccess5 = on_up5;
		connect->onFailure5 = on_connect_failed5;
		add_number(&properties, MQTTPROPERTY_CODE_RECEIVE_MAXIMUM, INCOMING_IN_FLIGHT);
		add_number(&properties, MQTTPROPERTY_CODE_MAXIMUM_PACKET_SIZE, INCOMING_PACKET_MAX);
		connect->connectProperties = &properties;
	} else {
		connect->cleansession = 1;
		connect->MQTTVersion = MQTTVERSION_3_1_1; /* unsaid, it would try 3.1 after every refusal */
		connect->onSuccess = on_up;
		connect->onFailure = on_connect_failed;
	}
	int rc = MQTTAsync_connect(mqtt->client, connect);
	MQTTProperties_free(&properties);
	return rc;
}

int mqtt_open(const struct mqtt_options *options, int event_fd, struct mqtt **ret, struct fault *fault)
{
	pthread_once(&prepared, prepare);
	struct mqtt *mqtt = calloc(1, sizeof(*mqtt));
	if (!mqtt)
		return fault_set(fault, ENOMEM, _("out of memory"));
	mqtt->version5 = options->version5;
	mqtt->limits.in_flight = 65535;
	mqtt_queue_init(&mqtt->queue, event_fd);
	int rc = tls_join_files(&options->tls, &mqtt->authorities_fd, mqtt->authorities, fault);
	if (rc == 0)
		rc = create_client(mqtt, options, fault);
	if (rc == 0) {
		MQTTAsync_connectOptions connect5 = MQTTAsync_connectOptions_initializer5;
		MQTTAsync_connectOptions connect = MQTTAsync_connectOptions_initializer;
		int code = begin_connect(mqtt, options, options->version5 ? &connect5 : &connect);
		if (code != MQTTASYNC_SUCCESS)
			rc = fault_set(fault, EINVAL, _("the MQTT library refuses to connect (%d)"), code);
	}
	if (rc != 0) {
		mqtt_free(mqtt);
		return rc;
	}
	*ret = mqtt;
	return 0;
}

void mqtt_free(struct mqtt *mqtt)
{
	if (!mqtt)
		return;
	if (mqtt->client)
		MQTTAsync_destroy(&mqtt->client); /* takes the lock in which callbacks run: none comes after it */
	mqtt_queue_destroy(&mqtt->queue);
	if (mqtt->authorities_fd >= 0)
		close(mqtt->authorities_fd);
	free(mqtt);
}

bool mqtt_next(struct mqtt *mqtt, struct mqtt_event *ret)
{
	return mqtt_queue_take(&mqtt->queue, ret);
}

struct mqtt_limits mqtt_limits(struct mqtt *mqtt)
{
	return mqtt->limits;
}

void mqtt_failure(struct mqtt *mqtt, char *out, size_t size)
{
	pthread_mutex_lock(&mqtt->queue.lock);
	text_copy(out, size, mqtt->failure);
	pthread_mutex_unlock(&mqtt->queue.lock);
}

/* ---- publishing ---- */

/* The library copies whatever it is given, so the property list can live on the stack and point at the caller's texts.
 */
struct property_list {
	MQTTProperty list[MQTT_PAIRS_MAX + 2];
	MQTTProperties all;
};

static MQTTLenString text_property(const char *text)
{
	return (MQTTLenString){ .len = (int)strlen(text), .data = (char *)text };
}

static void fill_properties(struct property_list *properties, const struct mqtt_message *message)
{
	MQTTProperty *next = properties->list;
	size_t length = 0;
	if (message->content_type) {
		next->identifier = MQTTPROPERTY_CODE_CONTENT_TYPE;
		next->value.data = text_property(message->content_type);
		length += 3 + (size_t)next->value.data.len;
		next++;
	}
	if (message->correlation) {
		next->identifier = MQTTPROPERTY_CODE_CORRELATION_DATA;
		next->value.data = (MQTTLenString){ (int)message->correlation_length, (char *)message->correlation };
		length += 3 + message->correlation_length;
		next++;
	}
	for (size_t i = 0; i < message->pair_count && i < MQTT_PAIRS_MAX; i++, next++) {
		next->identifier = MQTTPROPERTY_CODE_USER_PROPERTY;
		next->value.data = text_property(message->pairs[i].name);
		next->value.value = text_property(message->pairs[i].value);
		length += 5 + (size_t)next->value.data.len + (size_t)next->value.value.len;
	}
	int count = (int)(next - properties->list);
	properties->all = (MQTTProperties){ count, count, (int)length, properties->list };
}

static size_t variable_integer_size(size_t value)
{
	return value < 128 ? 1 : value < 16384 ? 2 : value < 2097152 ? 3 : 4;
}

/* MQTT 5, section 3.3: topic, packet identifier, properties, payload, behind a fixed header. */
static size_t packet_size(const struct mqtt_message *message, size_t properties)
{
	size_t remaining =
		2 + strlen(message->topic) + 2 + variable_integer_size(properties) + properties + message->length;
	return 1 + variable_integer_size(remaining) + remaining;
}

int mqtt_publish(struct mqtt *mqtt, const struct mqtt_message *message, int *ret_token, struct fault *fault)
{
	MQTTAsync_responseOptions response = MQTTAsync_responseOptions_initializer;
	struct property_list properties;
	response.context = mqtt;
	if (mqtt->version5) {
		fill_properties(&properties, message);
		response.properties = properties.all;
		response.onSuccess5 = on_delivered5;
		response.onFailure5 = on_refused5;
	} else {
		response.onSuccess = on_delivered;
		response.onFailure = on_not_sent;
	}
	size_t size = packet_size(message, (size_t)response.properties.length);
	if (mqtt->limits.packet_size && size > mqtt->limits.packet_size)
		return fault_set(fault, EMSGSIZE, _("the packet has %zu bytes and the broker takes at most %zu"), size,
			mqtt->limits.packet_size);
	MQTTAsync_message out = MQTTAsync_message_initializer;
	out.payload = (void *)message->payload;
	out.payloadlen = (int)message->length;
	out.qos = 1;
	out.retained = message->retained;
	out.properties = response.properties;
	int rc = MQTTAsync_sendMessage(mqtt->client, message->topic, &out, &response);
	if (rc != MQTTASYNC_SUCCESS)
		return fault_set(fault, rc == MQTTASYNC_DISCONNECTED ? ENOTCONN : EIO,
			_("the MQTT library did not take a message (%d)"), rc);
	*ret_token = response.token;
	return 0;
}

int mqtt_subscribe(struct mqtt *mqtt, const char *topic, struct fault *fault)
{
	MQTTAsync_responseOptions response = MQTTAsync_responseOptions_initializer;
	response.context = mqtt;
	if (mqtt->version5) {
		response.onFailure5 = on_subscribe_failed5;
	} else {
		response.onSuccess = on_subscribed;
		response.onFailure = on_subscribe_failed;
	}
	int rc = MQTTAsync_subscribe(mqtt->client, topic, 1, &response);
	if (rc != MQTTASYNC_SUCCESS)
		return fault_set(fault, ENOTCONN, _("the MQTT library did not take a subscription (%d)"), rc);
	return 0;
}

void mqtt_disconnect(struct mqtt *mqtt)
{
	MQTTAsync_disconnectOptions options = MQTTAsync_disconnectOptions_initializer;
	MQTTAsync_disconnectOptions options5 = MQTTAsync_disconnectOptions_initializer5;
	MQTTAsync_disconnectOptions *use = mqtt->version5 ? &options5 : &options;
	use->timeout = DISCONNECT_WAIT_MS;
	use->context = mqtt;
	if (mqtt->version5)
		use->onSuccess5 = on_disconnected5;
	else
		use->onSuccess = on_disconnected;
	if (MQTTAsync_disconnect(mqtt->client, use) != MQTTASYNC_SUCCESS)
		push_down(mqtt, 0);
}

static const struct {
	int code;
	const char *text;
} reasons[] = {
	{ 1, N_("the broker does not speak this version of MQTT; try the other: protocol = 3.1.1 or 5") },
	{ 2, N_("the broker does not accept this client identifier") },
	{ 3, N_("the broker is not available") },
	{ 4, N_("wrong user name or password") },
	{ 5, N_("not authorised") },
	{ 0x80, N_("unspecified error") },
	{ 0x81, N_("malformed packet") },
	{ 0x82, N_("protocol error") },
	{ 0x83, N_("the broker's own rules forbid it") },
	{ 0x84, N_("the broker does not speak this version of MQTT; try the other: protocol = 3.1.1 or 5") },
	{ 0x85, N_("the broker does not accept this client identifier") },
	{ 0x86, N_("wrong user name or password") },
	{ 0x87, N_("not authorised") },
	{ 0x88, N_("the broker is not available") },
	{ 0x89, N_("the broker is busy") },
	{ 0x8A, N_("banned by the broker") },
	{ 0x8B, N_("the broker is shutting down") },
	{ 0x8D, N_("the broker heard nothing for too long") },
	{ 0x8E, N_("another client took over this client identifier") },
	{ 0x8F, N_("topic filter invalid") },
	{ 0x90, N_("topic name invalid") },
	{ 0x93, N_("more messages in flight than the broker takes") },
	{ 0x95, N_("packet too large") },
	{ 0x96, N_("message rate too high") },
	{ 0x97, N_("quota exceeded") },
	{ 0x98, N_("ended by the broker's administrator") },
	{ 0x99, N_("payload format invalid") },
	{ 0x9A, N_("the broker keeps no retained messages") },
	{ 0x9C, N_("the broker says to use another server") },
	{ 0x9D, N_("the broker says it has moved") },
	{ 0x9F, N_("connection rate exceeded") },
};

const char *mqtt_reason(int reason)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].code == reason)
			return _(reasons[i].text);
	return _("no reason known to us");
}
