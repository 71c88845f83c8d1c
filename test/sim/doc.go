// Package sim is a mail server that does not exist: a small queueing
// simulation of a Postfix host, from 2 mails an hour to 500 a second, for
// tests, drills and measurements of judgement.
//
// In go a seed, a rate, a calendar and a list of incidents; out come the
// readings that mtawatch would have made of such a host (the metric names
// and labels of the vocabulary, cumulative counters and all), the same as a
// CSV file for `mtawatch judge`, or the mail log of the same host for
// `mtawatch replay`.
//
// Nothing is drawn as a curve. Mail arrives by the hour and the weekday, in
// bursts; it waits in incoming, is taken into the active queue by the queue
// manager, is tried within the destination's concurrency, and is sent,
// bounced or deferred with Postfix's backoff (as long as it has waited, at
// least 300 s, at most 4000 s, picked up by a queue run every 300 s; a site
// that does not answer is left alone for 300 s, and its mail put off at once).
// Depth, ages, failures, sessions, processes and log lines follow from that.
// Messages of one destination, of about one age and one fate are moved together as a
// cohort, so that 500 messages a second cost no more than the destinations
// do; with Config.Messages each message has an identity of its own, for the log.
//
// Promised: the same Config gives the same readings, to the bit; what arrived
// is what was sent, bounced or still waits (Totals); counters never go back.
package sim
