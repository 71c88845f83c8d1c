package mta

import "time"

// QueryResult is the answer to a query of the time-series store.
type QueryResult struct {
	Type     string // "vector", "matrix", "scalar" or "string", as Prometheus names them
	Series   []SeriesData
	Text     string // of type "string"
	Warnings []string
}

// SeriesData is one series with some of its points, oldest first.
type SeriesData struct {
	Labels map[string]string // with __name__
	Points []Point
}

// Point is one value at one moment.
type Point struct {
	Time  time.Time
	Value float64
}
