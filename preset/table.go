package preset

import (
	"time"

	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// The usual bounds of a batch. 1 000 000 bytes are less than what any receiver
// means by "1 MB".
const (
	batchEvents = 500
	batchBytes  = 1_000_000
)

const (
	gzip = "gzip"
	none = "none"
)

// anyFormat is the formats that a receiver of lines takes, CEF first.
var anyFormat = []webhook.LogFormat{webhook.CEF, webhook.JSON, webhook.CPS}

// jsonFirst are the same where the receiver reads JSON by itself.
var jsonFirst = []webhook.LogFormat{webhook.JSON, webhook.CPS, webhook.CEF}

// splunkTime is for both of Splunk's products.
const splunkTime = "Lines have whole seconds first: for milliseconds set TIME_PREFIX = rt= and TIME_FORMAT = %s%3N on the source type of CEF lines."

var table = []Preset{
	{
		Name: "logscale", Title: "CrowdStrike Falcon LogScale, raw HEC",
		Endpoint: "https://cloud.example.com/api/v1/ingest/hec/raw", Scheme: "Bearer",
		Formats:     []webhook.LogFormat{webhook.CPS, webhook.JSON, webhook.CEF},
		Compression: gzip, BatchEvents: batchEvents, BatchBytes: batchBytes, BodyLimit: 33_554_432, LineLimit: 1_000_000,
		Notes: []string{"The parser is that of the ingest token; without one that reads the time, events have that of their arrival."},
		Sources: []Source{
			{"endpoint, authorization, an event for each line of text/plain", "https://library.humio.com/logscale-api/log-shippers-hec-raw.html"},
			{"the longest body, after decompression", "https://library.humio.com/falcon-logscale-self-hosted/envar-max-ingest-request-size.html"},
			{"the longest event; longer ones are cut", "https://library.humio.com/falcon-logscale-cloud/limits.html"},
		},
		shape: shape{paths: []string{"/api/v1/ingest/hec/raw", "/services/collector/raw"}},
	},
	{
		Name: "datadog", Title: "Datadog Logs",
		Endpoint:    "https://http-intake.logs.datadoghq.com/api/v2/logs?dd-api-key=<key>",
		SecretInURL: true, Formats: jsonFirst,
		Compression: gzip, BatchEvents: batchEvents, BatchBytes: batchBytes, BodyLimit: 5_000_000, LineLimit: 1_000_000,
		ReplayAge: 18 * time.Hour,
		Notes: []string{
			"The key is the header DD-API-KEY by rights, which a webhook cannot send; as a part of the URL it may end up in logs on the way.",
			"Without a date remapper on event_ts or rt, events have the time of their arrival.",
		},
		Sources: []Source{
			{"the longest body and line, the age, gzip, 202 as the answer", "https://docs.datadoghq.com/api/latest/logs/send-logs/"},
			{"the key as dd-api-key in the URL, and a log for each line of text/plain", ""},
		},
		shape: shape{paths: []string{"/api/v2/logs"}, query: map[string][]string{"dd-api-key": nil}},
	},
	{
		Name: "dynatrace", Title: "Dynatrace, Log ingestion API",
		Endpoint:    "https://abc12345.live.dynatrace.com/api/v2/logs/ingest?content-type=application/x-ndjson",
		Scheme:      "Api-Token",
		Formats:     []webhook.LogFormat{webhook.JSON},
		Compression: none, BatchEvents: batchEvents, BatchBytes: batchBytes, BodyLimit: 10_000_000, LineLimit: 10_000_000,
		ReplayAge: 24 * time.Hour,
		Notes: []string{
			"A body of text/plain, as webhooks send it, is one event here. So the URL must name another type, which takes precedence, and the lines must be JSON.",
			"None of the members that hold the time is one that Dynatrace looks for: without a processing rule on event_ts or rt, events have the time of their arrival.",
		},
		Sources: []Source{
			{"endpoint, text/plain as a single event, lines of JSON, the parameter content-type", "https://docs.dynatrace.com/docs/dynatrace-api/environment-api/log-monitoring-v2/post-ingest-logs"},
			{"the longest body and line, 50 000 records, the age", "https://docs.dynatrace.com/docs/analyze-explore-automate/logs/lma-limits"},
			{"the members that are taken for the time", "https://docs.dynatrace.com/docs/shortlink/lma-ingest-json-txt-logs"},
			{"gzip, and content-type together with the header of a webhook", ""},
		},
		shape: shape{paths: []string{"/api/v2/logs/ingest"}, query: map[string][]string{"content-type": {
			"application/x-ndjson", "application/jsonl", "application/jsonlines", "application/jsonlines+json", "application/x-jsonlines",
		}}},
	},
	{
		Name: "elastic-agent", Title: "Elastic Agent or Filebeat, HTTP Endpoint input",
		Refusal: "takes one JSON object or array in a body of application/json, not lines: put Logstash (http input with the codec line) or Vector in between",
		Sources: []Source{
			{"JSON objects and arrays only, 415 for other types", "https://www.elastic.co/docs/reference/beats/filebeat/filebeat-input-http_endpoint"},
		},
	},
	{
		Name: "elasticsearch", Title: "Elasticsearch, bulk API",
		Refusal: "wants a line that names the action before each event, and reports failures inside of a 200: put Logstash (http input with the codec line) or Vector in between",
		Sources: []Source{
			{"the form of the body", "https://www.elastic.co/guide/en/elasticsearch/reference/current/docs-bulk.html"},
		},
	},
	{
		Name: "loki-raw", Title: "Grafana Alloy, loki.source.api",
		Endpoint: "https://alloy.example.com/loki/api/v1/raw", Formats: jsonFirst,
		Compression: none, BatchEvents: batchEvents, BatchBytes: batchBytes, LineLimit: 256 << 10,
		Notes: []string{
			"A compressed body is stored as it is, so nothing may be compressed.",
			"Lines are stored under the time of their arrival, also those of a replay.",
			"It checks no authorization; that is a matter of what stands in front of it.",
		},
		Sources: []Source{
			{"endpoint, an entry for each line, no times of their own", "https://grafana.com/docs/alloy/latest/reference/components/loki/loki.source.api/"},
			{"the longest line, Loki's default; longer ones are dropped unless max_line_size_truncate is set", "https://grafana.com/docs/loki/latest/operations/request-validation-rate-limits/"},
			{"no decompression", ""},
		},
		shape: shape{paths: []string{"/loki/api/v1/raw", "/api/v1/raw"}},
	},
	{
		Name: "loki", Title: "Grafana Loki, push API",
		Refusal: "wants streams with labels, in JSON or Protocol Buffers, not lines: put Grafana Alloy with loki.source.api in between (preset loki-raw); and it rejects events of more than 7 days by default",
		Sources: []Source{
			{"the form of the body", "https://grafana.com/docs/loki/latest/reference/loki-http-api/"},
			{"the age", "https://grafana.com/docs/loki/latest/operations/request-validation-rate-limits/"},
		},
	},
	{
		Name: "qradar", Title: "IBM QRadar, HTTP Receiver protocol",
		Endpoint: "https://qradar.example.com:12469/", Formats: anyFormat,
		Compression: none, BatchEvents: batchEvents, BatchBytes: batchBytes,
		Notes: []string{
			"Without a Message Pattern a whole batch is one event. For CEF lines set it to what each begins with: \\d{4}-\\d{2}-\\d{2}T\\S+ \\S+ CEF:",
			"Set Max Payload Length above the longest line; longer ones are cut or split.",
			"The certificate must come from an authority, it must not be self-signed.",
		},
		Sources: []Source{
			{"port, Message Pattern, Max Payload Length, certificate", "https://www.ibm.com/docs/en/dsm?topic=options-http-receiver-protocol-configuration"},
			{"gzip is not documented; the Message Pattern for CEF lines", ""},
		},
	},
	{
		Name: "kongctl", Title: "kongctl listen",
		Endpoint: "https://tunnel.example.com/audit-logs", Formats: jsonFirst,
		Compression: gzip, BatchEvents: batchEvents, BatchBytes: batchBytes, BodyLimit: 1 << 20,
		Notes: []string{
			"It creates its destination and binds the webhook itself, and takes both away when it ends.",
			"It listens on plain HTTP; the endpoint is that of the tunnel in front.",
		},
		Sources: []Source{
			{"endpoint, authorization, what it sets up", "https://github.com/Kong/kongctl/blob/main/docs/audit-logs.md"},
			{"the longest body, compressed and not", "https://github.com/Kong/kongctl"},
		},
	},
	{
		Name: "sentinel", Title: "Microsoft Sentinel, Logs Ingestion API",
		Refusal: "wants an array of JSON that matches a data collection rule, and a token of Microsoft Entra that expires: put Logstash with Microsoft's Sentinel output plug-in in between, or a syslog server with the Azure Monitor Agent",
		Sources: []Source{
			{"body, rule and token", "https://learn.microsoft.com/en-us/azure/azure-monitor/logs/logs-ingestion-api-overview"},
		},
	},
	{
		Name: "otel", Title: "OpenTelemetry Collector, webhookevent receiver",
		Endpoint: "https://collector.example.com:8088/events", Formats: jsonFirst,
		Compression: gzip, BatchEvents: batchEvents, BatchBytes: batchBytes, BodyLimit: 20 << 20,
		Notes: []string{
			"Set split_logs_at_newline: true, or a whole batch is one log record.",
			"Raise read_timeout, 500 ms by default, if batches come from far away.",
			"required_header, with the key Authorization, checks the authorization.",
		},
		Sources: []Source{
			{"the settings", "https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/receiver/webhookeventreceiver"},
			{"the longest body, gzip by that name alone", "https://github.com/open-telemetry/opentelemetry-collector/tree/main/config/confighttp"},
		},
	},
	{
		Name: "splunk-cloud", Title: "Splunk Cloud Platform, HTTP Event Collector",
		Endpoint: "https://http-inputs-acme.splunkcloud.com/services/collector/raw", Scheme: "Splunk", Formats: anyFormat,
		Compression: gzip, BatchEvents: batchEvents, BatchBytes: batchBytes, BodyLimit: 1_000_000, LineLimit: 10_000,
		Notes: []string{splunkTime},
		Sources: []Source{
			{"endpoint", "https://help.splunk.com/en/splunk-enterprise/get-data-in/collect-http-event-data/http-event-collector-rest-api-endpoints"},
			{"authorization", "https://help.splunk.com/splunk-enterprise/get-data-in/collect-http-event-data/format-events-for-http-event-collector"},
			{"the longest body, as measured by others; the longest line, TRUNCATE's default; gzip", ""},
		},
		shape: shape{paths: []string{"/services/collector/raw", "/services/collector/raw/1.0"}},
	},
	{
		Name: "splunk", Title: "Splunk Enterprise, HTTP Event Collector",
		Endpoint: "https://splunk.example.com:8088/services/collector/raw", Scheme: "Splunk", Formats: anyFormat,
		Compression: gzip, BatchEvents: batchEvents, BatchBytes: batchBytes, BodyLimit: 838_860_800, LineLimit: 10_000,
		Notes: []string{
			splunkTime,
			"With indexer acknowledgment on the endpoint needs ?channel=<GUID>; nobody asks for the acknowledgments.",
			"Before version 7 the longest body is 1 000 000 bytes.",
		},
		Sources: []Source{
			{"endpoint", "https://help.splunk.com/en/splunk-enterprise/get-data-in/collect-http-event-data/http-event-collector-rest-api-endpoints"},
			{"authorization, channel", "https://help.splunk.com/splunk-enterprise/get-data-in/collect-http-event-data/format-events-for-http-event-collector"},
			{"acknowledgment", "https://help.splunk.com/splunk-enterprise/get-data-in/collect-http-event-data/about-http-event-collector-indexer-acknowledgment"},
			{"the longest body, max_content_length's default; the longest line, TRUNCATE's; gzip", ""},
		},
		shape: shape{paths: []string{"/services/collector/raw", "/services/collector/raw/1.0"}},
	},
	{
		Name: "sumologic", Title: "Sumo Logic, HTTP Logs and Metrics source",
		Endpoint:    "https://endpoint4.collection.sumologic.com/receiver/v1/http/<code>",
		SecretInURL: true, Formats: anyFormat,
		Compression: gzip, BatchEvents: batchEvents, BatchBytes: batchBytes, BodyLimit: 1_000_000, LineLimit: 64 << 10,
		Notes: []string{"How old an event may be is a setting of the source."},
		Sources: []Source{
			{"endpoint, the longest body", "https://help.sumologic.com/docs/send-data/hosted-collectors/http-source/logs-metrics/"},
			{"gzip, the secret in the URL", "https://help.sumologic.com/docs/send-data/hosted-collectors/http-source/troubleshooting/"},
			{"the longest line", ""},
		},
		shape: shape{before: "/receiver/v1/http/"},
	},
	{
		Name: "vector", Title: "Vector, http_server source",
		Endpoint: "https://vector.example.com/audit-logs", Formats: jsonFirst,
		Compression: gzip, BatchEvents: batchEvents, BatchBytes: batchBytes, BodyLimit: 100 << 20,
		Notes: []string{"Set framing.method to newline_delimited, and decoding.codec to json for JSON lines."},
		Sources: []Source{
			{"the settings, gzip", "https://vector.dev/docs/reference/configuration/sources/http_server/"},
			{"the longest body, after decompression", "https://github.com/vectordotdev/vector"},
		},
	},
}
