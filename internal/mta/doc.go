// Package mta holds the words of mtawatch: what a mail transfer agent tells
// (Event, Queue, Connections, Process), what is made of it (Delivery, Sample,
// Baseline, Anomaly) and what is said about it (Finding, Cause). Every other package
// speaks in these types. It imports nothing of ours and does no I/O.
//
// The names follow the SMTP standards where those have one: envelope, relay
// and delivery status as RFC 5321 and RFC 3464 use them, enhanced status
// codes (DSN) as RFC 3463 does.
package mta
