// Package compat serves what mtawatch counts under the names that the
// Prometheus exporters for Postfix have made common, so that dashboards and
// alerts made for those keep working: kumina/postfix_exporter up to 0.3.0,
// which Debian packages as prometheus-postfix-exporter, and its living fork
// hsn723/postfix_exporter.
//
// In go the facts of track and the messages of queue listings; out come
// samples with the exporters' names, labels and bucket bounds, summed over
// all instances of Postfix: their series have no instance label. Promised: a
// name means here what it means there, but for what docs/compat.md lists;
// every label has a bounded number of values; counting an event whose labels
// were seen before allocates nothing. The counters begin at 0 when the
// program starts, as an exporter's do.
package compat
