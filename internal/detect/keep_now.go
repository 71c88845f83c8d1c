package detect

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/mtawatch/mtawatch/internal/baseline"
)

// appendNow appends the hour that the signal is in: version, kind, hour, then
// all that is gathered of it, IEEE 754, little endian. Parts without data are left out.
func (g *Signal) appendNow(b []byte) []byte {
	c := &g.cur
	b = append(b, keepVersion, byte(g.kind))
	b = binary.LittleEndian.AppendUint32(b, uint32(c.hour))
	f32 := func(v float32) { b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v)) }
	f64 := func(v float64) { b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v)) }
	for _, v := range c.numbers() {
		f64(*v)
	}
	event := int64(0)
	if !g.eventAt.IsZero() {
		event = g.eventAt.UnixMilli()
	}
	b = binary.LittleEndian.AppendUint64(b, uint64(event))
	f64(g.quiet.n)
	f64(g.quiet.all)
	f64(g.quiet.damp)
	f64(g.every)
	for _, v := range c.peak {
		f32(v)
	}
	b = append(b, c.resid[:]...)
	for i, t := range c.timeOf {
		if t > 0 {
			b = append(b, byte(i))
			f32(c.parts[i])
			f32(t)
		}
	}
	return b
}

// numbers lists the sums of the hour.
func (c *current) numbers() []*float64 {
	list := []*float64{&c.k, &c.n, &c.seen, &c.bad}
	for i := range c.num {
		list = append(list, &c.num[i], &c.den[i], &c.times[i])
	}
	return list
}

// reader takes numbers from a record; bad says that there were too few, or
// one that is no number.
type reader struct {
	text []byte
	bad  bool
}

func (r *reader) take(n int) []byte {
	if len(r.text) < n {
		r.bad = true
		return make([]byte, n)
	}
	t := r.text[:n]
	r.text = r.text[n:]
	return t
}

func (r *reader) f32() float32 {
	v := math.Float32frombits(binary.LittleEndian.Uint32(r.take(4)))
	if v-v != 0 {
		r.bad = true
	}
	return v
}

func (r *reader) f64() float64 {
	v := math.Float64frombits(binary.LittleEndian.Uint64(r.take(8)))
	if !(math.Abs(v) <= 1e100) {
		r.bad = true
	}
	return v
}

func (s *Set) loadNow(name string, value []byte) error {
	r := reader{text: value}
	head := r.take(6)
	if r.bad || head[0] != keepVersion {
		return errRecord
	}
	g, err := s.loading(name, Kind(head[1]))
	if err != nil {
		return err
	}
	c := current{used: true, hour: baseline.Hour(int32(binary.LittleEndian.Uint32(head[2:])))}
	for _, v := range c.numbers() {
		*v = r.f64()
	}
	event := int64(binary.LittleEndian.Uint64(r.take(8)))
	quiet := silence{n: r.f64(), all: r.f64(), damp: r.f64()}
	every := r.f64()
	for i := range c.peak {
		c.peak[i] = r.f32()
	}
	copy(c.resid[:], r.take(len(c.resid)))
	parts := [...]int{Gauge: gaugeParts, Count: countParts}
	if g.kind != Ratio {
		c.parts, c.timeOf = make([]float32, parts[g.kind]), make([]float32, parts[g.kind])
	}
	for len(r.text) > 0 && !r.bad {
		i := int(r.take(1)[0])
		if i >= len(c.parts) {
			return errRecord
		}
		c.parts[i], c.timeOf[i] = r.f32(), max(0, r.f32())
	}
	if r.bad || c.k < 0 || c.n < c.k || c.seen < 0 || c.seen > 1e6 || quiet.n < 0 || quiet.damp < 0 || !(every >= 1 && every <= 1000) {
		return errRecord
	}
	for i, v := range c.parts {
		if math.Abs(float64(v)) > 1e33 || g.kind == Count && v < 0 {
			return errRecord
		}
		_ = i
	}
	g.adopt(&c, quiet, event, every)
	return nil
}

// adopt joins an hour that was kept with what the signal has itself.
func (g *Signal) adopt(c *current, quiet silence, event int64, every float64) {
	own := &g.cur
	switch {
	case !own.used:
		g.cur = *c
		if event > 0 && event < 1<<45 {
			g.eventAt = time.UnixMilli(event)
		}
		g.quiet.n, g.quiet.all, g.quiet.damp = quiet.n, quiet.all, quiet.damp
		g.every = every
	case own.hour == c.hour:
		own.join(c)
	default:
		if r, ok := c.record(g); ok {
			if _, have := g.past.Find(r.Hour); !have {
				g.past.Put(r)
				g.set.saw(r.Hour, r.Cover)
				g.kept.day(r.Hour.Day())
			}
		}
	}
	g.loaded()
}

// join adds what another saw of the same hour: the parts that are not known here.
func (c *current) join(o *current) {
	for i, t := range o.timeOf {
		if c.timeOf[i] == 0 {
			c.parts[i], c.timeOf[i] = o.parts[i], t
		}
	}
	if c.seen+o.seen <= 3700 {
		mine := c.numbers()
		for i, v := range o.numbers() {
			*mine[i] += *v
		}
	}
	for i, v := range o.peak {
		c.peak[i] = max(c.peak[i], v)
	}
	for i, b := range o.resid {
		if c.resid[i] == 0 {
			c.resid[i] = b
		}
	}
}
