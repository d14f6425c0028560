/* What the MQTT library alone can do: a bare Paho publisher that keeps a window of QoS 1 messages in flight, the same
 * entry over and over from memory. The peer of `drain`; prints one JSON line.
 *
 *     bare_publisher BROKER COUNT WINDOW BYTES [properties]
 */
#include <MQTTAsync.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int up, acknowledged, failed;

static void note(int *what)
{
	pthread_mutex_lock(&lock);
	++*what;
	pthread_cond_signal(&changed);
	pthread_mutex_unlock(&lock);
}

static void on_up(void *context, MQTTAsync_successData5 *data)
{
	(void)context, (void)data;
	note(&up);
}

static void on_delivered(void *context, MQTTAsync_successData5 *data)
{
	(void)context, (void)data;
	note(&acknowledged);
}

static void on_failed(void *context, MQTTAsync_failureData5 *data)
{
	(void)context, (void)data;
	note(&failed);
}

static void wait_until(const int *what, int least)
{
	pthread_mutex_lock(&lock);
	while (*what < least && !failed)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
}

static void add_properties(MQTTProperties *properties)
{
	static const char *const pairs[][2] = { { "specversion", "1.0" },
		{ "id", "0195a3c4-0000-7000-8000-000000000001" }, { "source", "assay/v1/330421/330421103-01" },
		{ "type", "assay.v1.result" }, { "time", "2026-03-05T09:43:02.118+08:00" },
		{ "datacontenttype", "application/json" } };
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		MQTTProperty property = { .identifier = MQTTPROPERTY_CODE_USER_PROPERTY };
		property.value.data = (MQTTLenString){ (int)strlen(pairs[i][0]), (char *)pairs[i][0] };
		property.value.value = (MQTTLenString){ (int)strlen(pairs[i][1]), (char *)pairs[i][1] };
		MQTTProperties_add(properties, &property);
	}
}

static MQTTAsync connect_to(const char *broker)
{
	MQTTAsync client;
	MQTTAsync_createOptions create = MQTTAsync_createOptions_initializer5;
	MQTTAsync_connectOptions options = MQTTAsync_connectOptions_initializer5;
	create.maxBufferedMessages = 65535;
	options.cleanstart = 1;
	options.maxInflight = 65535;
	options.onSuccess5 = on_up;
	options.onFailure5 = on_failed;
	if (MQTTAsync_createWithOptions(
		    &client, broker, "bare-publisher", MQTTCLIENT_PERSISTENCE_NONE, NULL, &create) != 0 ||
		MQTTAsync_connect(client, &options) != 0)
		exit(1);
	wait_until(&up, 1);
	return client;
}

static double seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	if (argc < 5) {
		fprintf(stderr, "usage: bare_publisher tcp://HOST:PORT COUNT WINDOW BYTES [properties]\n");
		return 64;
	}
	int count = atoi(argv[2]), window = atoi(argv[3]), bytes = atoi(argv[4]);
	char *payload = malloc((size_t)bytes);
	MQTTAsync_message message = MQTTAsync_message_initializer;
	MQTTAsync_responseOptions response = MQTTAsync_responseOptions_initializer;
	MQTTAsync client = connect_to(argv[1]);
	memset(payload, 'x', (size_t)bytes);
	message.payload = payload;
	message.payloadlen = bytes;
	message.qos = 1;
	if (argc > 5)
		add_properties(&message.properties);
	response.onSuccess5 = on_delivered;
	response.onFailure5 = on_failed;
	response.properties = message.properties;
	double start = seconds();
	for (int sent = 0; sent < count && !failed; sent++) {
		wait_until(&acknowledged, sent - window + 1);
		if (MQTTAsync_sendMessage(client, "assay/v1/330421/330421103-01/result", &message, &response) != 0)
			return 1;
	}
	wait_until(&acknowledged, count);
	double took = seconds() - start;
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	printf("{\"bench\":\"bare_publisher\",\"messages\":%d,\"window\":%d,\"bytes\":%d,\"properties\":%s,"
	       "\"seconds\":%.3f,\"per_second\":%.0f,\"cpu_s\":%.2f,\"rss_kib\":%ld}\n",
		acknowledged, window, bytes, argc > 5 ? "true" : "false", took, acknowledged / took,
		(double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
			(double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6,
		usage.ru_maxrss);
	MQTTAsync_destroy(&client);
	MQTTProperties_free(&message.properties);
	free(payload);
	return failed ? 1 : 0;
}
