package prom

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// maxSeconds bounds times and durations to what fits a time.Duration.
const maxSeconds = float64(math.MaxInt64 / int64(time.Second))

// maxPoints is how many points one series of a range query may have; it is
// Prometheus's own number, and Grafana keeps below it.
const maxPoints = 11_000

// maxForm bounds the body of a POST.
const maxForm = 1 << 20

// badParam says which parameter is wrong and why.
func badParam(name string, err error) error {
	return fmt.Errorf("%w: parameter %q: %w", mta.ErrBadQuery, name, err)
}

// parseTime reads Unix seconds, with a fraction down to milliseconds, or RFC
// 3339.
func parseTime(s string) (time.Time, error) {
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		if math.IsNaN(f) || math.Abs(f) > maxSeconds {
			return time.Time{}, fmt.Errorf("%q is not a time", s)
		}
		whole, frac := math.Modf(f)
		return time.UnixMilli(int64(whole)*1000 + int64(math.Round(frac*1000))).UTC(), nil
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || math.Abs(float64(t.Unix())) > maxSeconds {
		return time.Time{}, fmt.Errorf("%q is not a time: give Unix seconds or RFC 3339", s)
	}
	return t, nil
}

// parseDuration reads seconds, with a fraction, or Prometheus's notation:
// whole numbers with the units y, w, d, h, m, s, ms, from large to small, as
// in 1h30m.
func parseDuration(s string) (time.Duration, error) {
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		if math.IsNaN(f) || math.Abs(f) > maxSeconds {
			return 0, fmt.Errorf("%q is not a duration", s)
		}
		return time.Duration(f * float64(time.Second)), nil
	}
	const day = 24 * time.Hour
	units := []struct {
		name string
		size time.Duration
	}{{"y", 365 * day}, {"w", 7 * day}, {"d", day}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond}}
	var sum time.Duration
	rest, next := s, 0
	for rest != "" {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		n, err := strconv.ParseInt(rest[:digits], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%q is not a duration: give seconds, or as in 1h30m", s)
		}
		rest = rest[digits:]
		letters := len(rest) - len(strings.TrimLeft(rest, "ywdhms"))
		for next < len(units) && units[next].name != rest[:letters] {
			next++
		}
		if next == len(units) {
			return 0, fmt.Errorf("%q is not a duration: give seconds, or as in 1h30m", s)
		}
		if n > int64((math.MaxInt64-sum)/units[next].size) {
			return 0, fmt.Errorf("%q is too long", s)
		}
		sum += time.Duration(n) * units[next].size
		rest = rest[letters:]
		next++
	}
	if s == "" {
		return 0, errors.New("it is empty")
	}
	return sum, nil
}

// timeParam reads a time; fallback when it is not given.
func timeParam(r *http.Request, name string, fallback time.Time) (time.Time, error) {
	s := r.FormValue(name)
	if s == "" {
		return fallback, nil
	}
	t, err := parseTime(s)
	if err != nil {
		return t, badParam(name, err)
	}
	return t, nil
}

// limitParam reads how many results are wanted; 0 is all.
func limitParam(r *http.Request) (int, error) {
	s := r.FormValue("limit")
	if s == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0, badParam("limit", fmt.Errorf("%q is not a number of results", s))
	}
	return n, nil
}

// span is the time range of a request.
type span struct {
	start, end time.Time
	step       time.Duration
}

// rangeParams reads start, end and step of a range query, all required.
func rangeParams(r *http.Request) (sp span, err error) {
	for _, p := range []struct {
		name string
		t    *time.Time
	}{{"start", &sp.start}, {"end", &sp.end}} {
		if *p.t, err = parseTime(r.FormValue(p.name)); err != nil {
			return sp, badParam(p.name, err)
		}
	}
	if sp.end.Before(sp.start) {
		return sp, badParam("end", errors.New("it is before the start"))
	}
	if sp.step, err = parseDuration(r.FormValue("step")); err != nil {
		return sp, badParam("step", err)
	}
	if sp.step < time.Millisecond {
		return sp, badParam("step", errors.New("it must be a millisecond or more"))
	}
	if sp.end.Sub(sp.start)/sp.step > maxPoints {
		return sp, badParam("step", fmt.Errorf("that makes more than %d points a series; give a larger step or a shorter range", maxPoints))
	}
	return sp, nil
}

// selectorParams reads match[], start and end.
func selectorParams(r *http.Request) (match []string, sp span, limit int, err error) {
	if sp.start, err = timeParam(r, "start", time.Time{}); err != nil {
		return nil, sp, 0, err
	}
	if sp.end, err = timeParam(r, "end", time.Time{}); err != nil {
		return nil, sp, 0, err
	}
	if !sp.end.IsZero() && sp.end.Before(sp.start) {
		return nil, sp, 0, badParam("end", errors.New("it is before the start"))
	}
	limit, err = limitParam(r)
	return r.Form["match[]"], sp, limit, err
}
