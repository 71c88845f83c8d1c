package prom

import (
	"slices"
	"strings"
)

// metric is one row of the vocabulary's table of metrics.
type metric struct {
	name string
	kind string // "gauge", "counter" or "histogram"
	help string
}

// metrics gives the table, sorted by name.
func metrics() []metric {
	return []metric{
		{"mta_accept_overflows_total", "counter", "Connections that the kernel refused because an accept queue was full, on the whole host."},
		{"mta_accept_queue_length", "gauge", "Connections that wait for a server process to accept them."},
		{"mta_accept_queue_limit", "gauge", "Connections that may wait for a server process (the listen backlog)."},
		{"mta_channel_recipients_total", "counter", "Recipients that a channel received, submitted, delivered, attempted (put off), failed for good or rejected, where the server has a queue for each channel."},
		{"mta_delivery_attempts_total", "counter", "Delivery attempts, one for each recipient, by outcome and cause."},
		{"mta_delivery_delay_seconds", "histogram", "Time from arrival to delivery of what was sent, by the stage in which it was spent; attempts that failed do not count."},
		{"mta_destination_attempts_total", "counter", "Delivery attempts to the busiest destination domains; all others together are other."},
		{"mta_disk_free_bytes", "gauge", "Free space where the queue is."},
		{"mta_disk_free_inodes", "gauge", "Files that can still be made where the queue is."},
		{"mta_disk_size_bytes", "gauge", "Size of the file system where the queue is."},
		{"mta_finding_open", "gauge", "1 for each finding that is open."},
		{"mta_inbound_capacity", "gauge", "Sessions that the server holds at once on a port: its process limit times the sessions of a process."},
		{"mta_inbound_closed_total", "counter", "Inbound connections that have ended."},
		{"mta_inbound_connections", "gauge", "Inbound connections by TCP state."},
		{"mta_inbound_sources", "gauge", "Different remote addresses with an inbound connection."},
		{"mta_inbound_top_source_connections", "gauge", "Inbound connections of the remote address that has the most."},
		{"mta_normal_high", "gauge", "Upper end of what is normal now for the series that the labels name."},
		{"mta_normal_low", "gauge", "Lower end of what is normal now for the series that the labels name."},
		{"mta_process_restarts_total", "counter", "Processes of a role that ended and came back."},
		{"mta_process_start_time_seconds", "gauge", "Start of the oldest process of a role, in Unix time."},
		{"mta_processes", "gauge", "Running processes by role."},
		{"mta_queue_bytes", "gauge", "Size of the messages in a queue."},
		{"mta_queue_destination_messages", "gauge", "Queued recipients of the busiest destination domains by age; all others together are other."},
		{"mta_queue_messages", "gauge", "Messages in a queue."},
		{"mta_queue_oldest_age_seconds", "gauge", "Age of the oldest message in a queue."},
		{"mta_queue_untried_messages", "gauge", "Messages in a queue that no delivery was tried for yet."},
		{"mta_queue_untried_oldest_age_seconds", "gauge", "Age of the oldest message in a queue that no delivery was tried for yet."},
		{"mta_received_bytes_total", "counter", "Size of the messages that were accepted."},
		{"mta_received_messages_total", "counter", "Messages that were accepted into the queue."},
		{"mta_rejects_total", "counter", "Clients, senders, recipients and messages that were refused, by the stage of the session."},
		{"mta_smtp_server_oldest_age_seconds", "gauge", "Age of the SMTP server process that runs the longest."},
		{"mta_syncookies_sent_total", "counter", "SYN cookies that the kernel sent because a queue of half-open connections was full, on the whole host."},
		{"mtawatch_log_lines_total", "counter", "Log lines that were read, by what became of them."},
		{"mtawatch_probe_up", "gauge", "1 when the last probe was answered well, else 0."},
		{"mtawatch_source_lag_seconds", "gauge", "How far behind its source the reader is."},
		{"mtawatch_source_up", "gauge", "1 when a source can be read and understood, else 0."},
	}
}

// Help gives the help text of a metric; "" for a name that is not in the
// vocabulary. The parts of a histogram have the text of the whole.
func Help(name string) string {
	table := metrics()
	if m, ok := find(table, name); ok {
		return m.help
	}
	if m, ok := find(table, base(name)); ok && m.kind == "histogram" {
		return m.help
	}
	return ""
}

func find(table []metric, name string) (metric, bool) {
	i, ok := slices.BinarySearchFunc(table, name, func(m metric, name string) int { return strings.Compare(m.name, name) })
	if !ok {
		return metric{}, false
	}
	return table[i], true
}

// base takes the suffix of a histogram's parts off a name.
func base(name string) string {
	for _, suffix := range []string{"_bucket", "_count", "_sum"} {
		if b, ok := strings.CutSuffix(name, suffix); ok {
			return b
		}
	}
	return name
}
