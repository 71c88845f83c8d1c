// Package prom speaks Prometheus. In come samples and a store that answers
// queries; out go /metrics in the text format 0.0.4 and the part of the
// Prometheus HTTP API that Grafana asks of a data source. Paths, parameters,
// status codes and JSON follow https://prometheus.io/docs/prometheus/latest/querying/api/
//
// Promised: whatever the parameters are, the answer is the JSON of that page,
// and only the Querier does work that depends on them. Results are written
// as they are encoded.
package prom
