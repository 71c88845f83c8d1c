package mta

import (
	"errors"
	"time"
)

// The ways in which a query of the time-series store fails for the asker's
// own reasons. Any other error is the store's.
var (
	// ErrBadQuery: the text of the query, a matcher or a time is not valid.
	ErrBadQuery = errors.New("bad query")
	// ErrQueryRun: the query is valid and has no answer here: it needs too
	// many samples, or its operands do not match.
	ErrQueryRun = errors.New("query cannot be answered")
)

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
