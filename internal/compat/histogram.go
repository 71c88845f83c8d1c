package compat

import (
	"math"
	"strconv"
	"time"
)

// The upper bounds of the buckets, as in both exporters.
var (
	timeBounds      = [...]float64{1e-3, 1e-2, 1e-1, 1, 10, 60, 3600, 86400, 172800} // seconds
	recipientBounds = [...]float64{1, 2, 4, 8, 16, 32, 64, 128}
	sizeBounds      = [...]float64{1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9}      // bytes
	ageBounds       = [...]float64{1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8} // seconds
	stageNames      = [...]string{"before_queue_manager", "queue_manager", "connection_setup", "transmission"}
)

// maxBuckets is one more than the longest list of bounds.
const maxBuckets = len(timeBounds) + 1

// histogram counts values by bucket; the one after the last bound has none.
type histogram struct {
	counts [maxBuckets]int64
	sum    float64
}

func (h *histogram) observe(bounds []float64, v float64) {
	i := 0
	for i < len(bounds) && v > bounds[i] {
		i++
	}
	h.counts[i]++
	h.sum += v
}

func (h *histogram) merge(o *histogram) {
	for i, n := range o.counts {
		h.counts[i] += n
	}
	h.sum += o.sum
}

// each gives the cumulative counts with the text of their bounds.
func (h *histogram) each(bounds []float64, yield func(le string, n int64)) (total int64) {
	for i := range len(bounds) + 1 {
		total += h.counts[i]
		le := math.Inf(1)
		if i < len(bounds) {
			le = bounds[i]
		}
		yield(strconv.FormatFloat(le, 'g', -1, 64), total)
	}
	return total
}

// delays is the time of deliveries by stage, in the order of delays=a/b/c/d.
type delays [len(stageNames)]histogram

func (d *delays) observe(v *[4]time.Duration) {
	for i := range v {
		d[i].observe(timeBounds[:], v[i].Seconds())
	}
}
