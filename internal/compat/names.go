package compat

import "strings"

// The counters without labels.
const (
	cleanupProcessed = iota
	cleanupRejected
	cleanupNotAccepted
	qmgrRemoved
	qmgrExpired
	smtpTimedOut
	smtpDeferred
	smtpStatusDeferred
	smtpdConnects
	smtpdDisconnects
	smtpdNameErrors
	smtpdAuthFailures
	bounceNotifications
	virtualDelivered
	numCounters
)

var counterNames = [numCounters]string{
	cleanupProcessed:    "postfix_cleanup_messages_processed_total",
	cleanupRejected:     "postfix_cleanup_messages_rejected_total",
	cleanupNotAccepted:  "postfix_cleanup_messages_not_accepted_total",
	qmgrRemoved:         "postfix_qmgr_messages_removed_total",
	qmgrExpired:         "postfix_qmgr_messages_expired_total",
	smtpTimedOut:        "postfix_smtp_connection_timed_out_total",
	smtpDeferred:        "postfix_smtp_deferred_messages_total",
	smtpStatusDeferred:  "postfix_smtp_status_deferred",
	smtpdConnects:       "postfix_smtpd_connects_total",
	smtpdDisconnects:    "postfix_smtpd_disconnects_total",
	smtpdNameErrors:     "postfix_smtpd_forward_confirmed_reverse_dns_errors_total",
	smtpdAuthFailures:   "postfix_smtpd_sasl_authentication_failures_total",
	bounceNotifications: "postfix_bounce_non_delivery_notification_total",
	virtualDelivered:    "postfix_virtual_delivered_total",
}

// Names lists every name that can be served; the parts of a histogram are
// not named apart. Order is that of docs/compat.md.
func Names() []string {
	list := make([]string, len(helps))
	for i := range helps {
		list[i] = helps[i].name
	}
	return list
}

// Help gives the help text of a name, "" for one that is not served here.
// The parts of a histogram have the text of the whole.
func Help(name string) string {
	for i := range helps {
		h := &helps[i]
		if rest, ok := strings.CutPrefix(name, h.name); ok && (rest == "" || h.histogram && (rest == "_bucket" || rest == "_sum" || rest == "_count")) {
			return h.text
		}
	}
	return ""
}

// alsoDeferred says where we count more than the exporters.
const alsoDeferred = " Deferrals through error and retry are counted too, which the exporters leave out."

type help struct {
	name      string
	histogram bool
	text      string
}

var helps = [...]help{
	{"postfix_cleanup_messages_processed_total", false, "Messages that cleanup took in."},
	{"postfix_cleanup_messages_rejected_total", false, "Messages that cleanup refused by its header and body checks."},
	{"postfix_cleanup_messages_not_accepted_total", false, "Messages that cleanup refused because a milter said so. The exporters never count here."},
	{"postfix_qmgr_messages_inserted_receipients", true, "Recipients of the messages that entered the active queue; a retry enters it again. The spelling is the exporters'."},
	{"postfix_qmgr_messages_inserted_recipients", true, "Recipients of the messages that entered the active queue; a retry enters it again."},
	{"postfix_qmgr_messages_inserted_size_bytes", true, "Size of the messages that entered the active queue; a retry enters it again."},
	{"postfix_qmgr_messages_removed_total", false, "Messages that left the queue for good."},
	{"postfix_qmgr_messages_expired_total", false, "Messages that were given up and returned because they waited too long."},
	{"postfix_smtp_delivery_delay_seconds", true, "Time of deliveries by SMTP, by the stage in which it was spent."},
	{"postfix_lmtp_delivery_delay_seconds", true, "Time of deliveries by LMTP, by the stage in which it was spent."},
	{"postfix_pipe_delivery_delay_seconds", true, "Time of deliveries to commands, by relay and by the stage in which it was spent."},
	{"postfix_smtp_messages_processed_total", false, "Deliveries by SMTP, one for each recipient and attempt, by outcome." + alsoDeferred},
	{"postfix_smtp_status_total", false, "The same as postfix_smtp_messages_processed_total." + alsoDeferred},
	{"postfix_smtp_status_deferred", false, "Deliveries that were deferred." + alsoDeferred},
	{"postfix_smtp_deferred_messages_total", false, "The same as postfix_smtp_status_deferred." + alsoDeferred},
	{"postfix_smtp_deferred_messages_by_dsn_total", false, "Deliveries that were deferred, by enhanced status code." + alsoDeferred},
	{"postfix_smtp_bounced_messages_by_dsn_total", false, "Deliveries by SMTP that bounced, by enhanced status code."},
	{"postfix_smtp_connection_timed_out_total", false, "Outbound connections that got no answer in time."},
	{"postfix_smtp_tls_connections_total", false, "Outbound connections with TLS."},
	{"postfix_smtpd_connects_total", false, "Clients that connected."},
	{"postfix_smtpd_disconnects_total", false, "Clients that disconnected."},
	{"postfix_smtpd_forward_confirmed_reverse_dns_errors_total", false, "Clients whose host name does not resolve to their address."},
	{"postfix_smtpd_connections_lost_total", false, "Connections that clients broke off, by the command at which they did."},
	{"postfix_smtpd_messages_processed_total", false, "Messages that smtpd took in, by the method of authentication."},
	{"postfix_smtpd_messages_rejected_total", false, "Recipients that smtpd refused before a message was begun, by reply code."},
	{"postfix_smtpd_sasl_authentication_failures_total", false, "Authentications that failed."},
	{"postfix_smtpd_tls_connections_total", false, "Inbound connections with TLS."},
	{"postfix_bounce_non_delivery_notification_total", false, "Notifications to senders that mail could not be delivered."},
	{"postfix_virtual_delivered_total", false, "Deliveries to virtual mailboxes."},
	{"postfix_unsupported_log_entries_total", false, "Log lines of Postfix that mtawatch does not know or could not read."},
	{"postfix_showq_message_age_seconds", true, "Age of the messages in a queue at its last listing."},
	{"postfix_showq_message_size_bytes", true, "Size of the messages in a queue at its last listing."},
	{"postfix_showq_queue_depth", false, "Messages in a queue."},
	{"postfix_up", false, "1 when the queue listing or the log at this path could be read, else 0."},
}
