package sim

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// ageLabels are the age columns of the queue table, in minutes.
var ageLabels = [...]string{"5", "10", "20", "40", "80", "160", "320", "640", "1280", "1280+"}

const numAges = len(ageLabels)

// output keeps the series, so that each has one pointer for good.
type output struct {
	samples []mta.Sample

	received, bytes *mta.Series
	attempts        [mta.NumStatuses][mta.NumCauses]*mta.Series
	other           [mta.NumStatuses]*mta.Series
	rejects         [numRefusals]*mta.Series
	buckets         [numDelayStages][len(delayBounds) + 1]*mta.Series
	sums, observed  [numDelayStages]*mta.Series
	queues          []queueSeries
	otherRows       [numAges]*mta.Series
	listed          int64 // unix seconds of the last listing
	rows            []row
	roles           [4]*mta.Series
	starts          [2]*mta.Series
	restarts        [2]*mta.Series
	states          [len(reportedStates)]*mta.Series
	lines           [4]*mta.Series
	single          map[string]*mta.Series
}

type queueSeries struct{ messages, bytes, age *mta.Series }

type row struct {
	series *mta.Series
	n      int
}

var reportedStates = [...]mta.TCPState{mta.TCPEstablished, mta.TCPSynRecv, mta.TCPFinWait1, mta.TCPFinWait2, mta.TCPTimeWait,
	mta.TCPClose, mta.TCPCloseWait, mta.TCPLastAck, mta.TCPClosing}

// reading makes what mtawatch would have read at this moment.
func (h *Host) reading() mta.Reading {
	o := &h.out
	o.samples = o.samples[:0]
	h.logSamples()
	h.queueSamples()
	h.processSamples()
	h.connectionSamples()
	h.sourceSamples()
	return mta.Reading{
		Tick:         mta.Tick{Time: h.at.Add(h.w.shift), Samples: o.samples},
		Sources:      h.in.list,
		SourcesKnown: true,
	}
}

// put appends one sample; p is where its series is kept.
func (h *Host) put(p **mta.Series, counter bool, v float64, name string, pairs ...string) {
	if *p == nil {
		s := &mta.Series{Name: name, Counter: counter}
		for i := 0; i+1 < len(pairs); i += 2 {
			s.Labels = append(s.Labels, mta.Label{Name: pairs[i], Value: pairs[i+1]})
		}
		*p = s
	}
	h.out.samples = append(h.out.samples, mta.Sample{Series: *p, Value: v})
}

// once is put for a series that exists once.
func (h *Host) once(counter bool, v float64, name string, pairs ...string) {
	if h.out.single == nil {
		h.out.single = make(map[string]*mta.Series)
	}
	k := name
	if len(pairs) > 0 && pairs[0] == "probe" {
		k += pairs[1]
	}
	p, ok := h.out.single[k]
	h.put(&p, counter, v, name, pairs...)
	if !ok {
		h.out.single[k] = p
	}
}

func (h *Host) logSamples() {
	o, c, in := &h.out, &h.seen, h.cfg.Instance
	h.put(&o.received, true, float64(c.received), "mta_received_messages_total", "instance", in)
	h.put(&o.bytes, true, float64(c.bytes), "mta_received_bytes_total", "instance", in)
	for st := mta.StatusSent; st <= mta.StatusExpired; st++ {
		first := mta.CauseOther
		if st == mta.StatusSent {
			first = mta.CauseNone
		}
		for cause := range mta.NumCauses {
			if n := c.attempts[st][cause]; n != 0 || cause == first {
				h.put(&o.attempts[st][cause], true, float64(n), "mta_delivery_attempts_total", "instance", in, "status", st.String(), "cause", cause.String())
			}
		}
	}
	for i, n := range c.rejects {
		if r := &refusals[i]; n != 0 {
			h.put(&o.rejects[i], true, float64(n), "mta_rejects_total", "instance", in, "stage", r.stage.String(), "class", r.class, "cause", r.cause.String())
		}
	}
	for st := mta.StatusSent; st <= mta.StatusExpired; st++ {
		for _, x := range h.dests {
			if n := x.counts[st]; n != 0 && x.shown {
				h.put(&x.series[st], true, float64(n), "mta_destination_attempts_total", "instance", in, "destination", x.name, "status", st.String())
			}
		}
		if n := c.other[st]; n != 0 {
			h.put(&o.other[st], true, float64(n), "mta_destination_attempts_total", "instance", in, "destination", "other", "status", st.String())
		}
	}
	for i := range c.delays.counts {
		var total int64
		for j, n := range c.delays.counts[i] {
			total += n
			if !h.cfg.Buckets {
				continue
			}
			le := "+Inf"
			if j < len(delayBounds) {
				le = strconv.FormatFloat(delayBounds[j].Seconds(), 'f', -1, 64)
			}
			h.put(&o.buckets[i][j], true, float64(total), "mta_delivery_delay_seconds_bucket", "instance", in, "stage", delayNames[i], "le", le)
		}
		h.put(&o.sums[i], true, c.delays.sums[i], "mta_delivery_delay_seconds_sum", "instance", in, "stage", delayNames[i])
		h.put(&o.observed[i], true, float64(total), "mta_delivery_delay_seconds_count", "instance", in, "stage", delayNames[i])
	}
}

// depth gives the messages of a queue and when its oldest arrived; 0 when it is empty.
func (h *Host) depth(queue string) (n int, oldest int64) {
	eldest := func(c *cohort) {
		if oldest == 0 || c.born < oldest {
			oldest = c.born
		}
	}
	entries := func(list []entry) {
		for i := range list {
			eldest(&list[i].c)
		}
	}
	switch queue {
	case "maildrop":
		entries(h.maildrop)
		return h.maildropN, oldest
	case "incoming":
		entries(h.incoming)
		return h.incomingN, oldest
	case "hold":
		entries(h.held)
		return h.heldN, oldest
	case "active":
		for _, x := range h.dests {
			for i := range x.active {
				eldest(&x.active[i])
			}
		}
		return h.activeN, oldest
	case "deferred":
		for _, x := range h.dests {
			for i := range x.waiting {
				eldest(&x.waiting[i])
			}
		}
		return h.deferredN, oldest
	}
	return 0, 0
}

func (h *Host) queueSamples() {
	o, in := &h.out, h.cfg.Instance
	if o.queues == nil {
		o.queues = make([]queueSeries, len(h.cfg.Queues))
	}
	for i, name := range h.cfg.Queues {
		q := &o.queues[i]
		n, oldest := h.depth(name)
		h.put(&q.messages, false, float64(n), "mta_queue_messages", "instance", in, "queue", name)
		age := 0.0
		if n == 0 { // counting opens no message: the bytes of others are not known
			h.put(&q.bytes, false, 0, "mta_queue_bytes", "instance", in, "queue", name)
		} else {
			age = max(0, float64(h.now-oldest))
		}
		h.put(&q.age, false, age, "mta_queue_oldest_age_seconds", "instance", in, "queue", name)
	}
	// A listing costs something: it is made once a minute, of a long queue more rarely.
	every := int64(60)
	if h.deferredN > 10_000 {
		every = 300
	}
	if h.now-o.listed >= every {
		o.listed = h.now
		h.list()
	}
	for _, r := range o.rows {
		o.samples = append(o.samples, mta.Sample{Series: r.series, Value: float64(r.n)})
	}
}

// list makes the table of destinations and ages: the twenty with most, and the rest.
func (h *Host) list() {
	type line struct {
		x    *destination
		n    int
		ages [numAges]int
	}
	lines := make([]line, len(h.dests))
	index := make(map[*destination]int, len(h.dests))
	for i, x := range h.dests {
		lines[i].x, index[x] = x, i
	}
	add := func(x *destination, c *cohort) {
		l := &lines[index[x]]
		age, column := (h.now-c.born)/60, 0
		for limit := int64(5); column < numAges-1 && age >= limit; limit *= 2 {
			column++
		}
		l.n += c.n
		l.ages[column] += c.n
	}
	for _, x := range h.dests {
		for i := range x.active {
			add(x, &x.active[i])
		}
		for i := range x.waiting {
			add(x, &x.waiting[i])
		}
	}
	for _, list := range [][]entry{h.maildrop, h.incoming, h.held} {
		for i := range list {
			add(list[i].to, &list[i].c)
		}
	}
	slices.SortStableFunc(lines, func(a, b line) int { return cmp.Compare(b.n, a.n) })
	o := &h.out
	o.rows = o.rows[:0]
	row1 := func(p **mta.Series, n int, name string, column int) {
		if n == 0 {
			return
		}
		h.put(p, false, 0, "mta_queue_destination_messages", "instance", h.cfg.Instance, "destination", name, "age", ageLabels[column])
		o.samples = o.samples[:len(o.samples)-1]
		o.rows = append(o.rows, row{*p, n})
	}
	var other [numAges]int
	for i := range lines {
		for column, n := range lines[i].ages {
			if i < topDestinations {
				row1(&lines[i].x.rows[column], n, lines[i].x.name, column)
			} else {
				other[column] += n
			}
		}
	}
	for column, n := range other {
		row1(&o.otherRows[column], n, "other", column)
	}
}

func (h *Host) processSamples() {
	o, p, in := &h.out, &h.procs, h.cfg.Instance
	there := func(at int64) float64 {
		if at == 0 {
			return 0
		}
		return 1
	}
	counts := [...]float64{there(p.master), there(p.manager), roundUp(h.in.servers), roundUp(p.deliveries)}
	started := [...]int64{p.master, p.manager}
	for i, role := range [...]mta.Role{mta.RoleDispatcher, mta.RoleJobController, mta.RoleSMTPServer, mta.RoleDelivery} {
		h.put(&o.roles[i], false, counts[i], "mta_processes", "instance", in, "role", role.String())
		if i >= len(started) {
			continue
		}
		if started[i] != 0 {
			h.put(&o.starts[i], false, float64(started[i]), "mta_process_start_time_seconds", "instance", in, "role", role.String())
		}
		h.put(&o.restarts[i], true, float64(p.restarts[i]), "mta_process_restarts_total", "instance", in, "role", role.String())
	}
	if counts[2] > 0 {
		h.once(false, float64(h.now-h.in.oldest), "mta_smtp_server_oldest_age_seconds", "instance", in)
	}
	const size = 60e9
	h.once(false, float64(int64(size*(1-h.diskUsed))), "mta_disk_free_bytes", "instance", in)
	h.once(false, size, "mta_disk_size_bytes", "instance", in)
	h.once(false, float64(int64(3.6e6*(1-h.diskUsed/3))), "mta_disk_free_inodes", "instance", in)
}

func roundUp(v float64) float64 { return float64(int(v + 0.5)) }

func (h *Host) connectionSamples() {
	o, in, p := &h.out, &h.in, strconv.Itoa(int(h.cfg.Port))
	name := h.cfg.Instance
	for i, st := range reportedStates {
		h.put(&o.states[i], false, float64(in.states[st]), "mta_inbound_connections", "instance", name, "port", p, "state", st.String())
	}
	h.once(false, float64(in.sources), "mta_inbound_sources", "instance", name, "port", p)
	h.once(false, float64(in.top), "mta_inbound_top_source_connections", "instance", name, "port", p)
	h.once(true, float64(in.closed), "mta_inbound_closed_total", "instance", name, "port", p)
	if !h.w.fallen {
		h.once(false, float64(in.waiting), "mta_accept_queue_length", "instance", name, "port", p)
		h.once(false, float64(in.backlog), "mta_accept_queue_limit", "instance", name, "port", p)
	}
	h.once(true, float64(in.overflows), "mta_accept_overflows_total")
	h.once(true, float64(in.cookies), "mta_syncookies_sent_total")
}

func (h *Host) sourceSamples() {
	o, src := &h.out, h.cfg.Source
	h.once(false, 1, "mtawatch_source_up", "source", src)
	for i, c := range [...]struct {
		outcome string
		n       int64
	}{{"parsed", h.seen.lines}, {"ignored", h.seen.ignored}, {"unknown", 0}, {"malformed", 0}} {
		h.put(&o.lines[i], true, float64(c.n), "mtawatch_log_lines_total", "source", src, "outcome", c.outcome)
	}
	h.once(false, 0, "mtawatch_source_lag_seconds", "source", src)
	up := func(ok bool) float64 {
		if ok {
			return 1
		}
		return 0
	}
	h.once(false, up(!h.w.resolver), "mtawatch_probe_up", "probe", "dns")
	h.once(false, up(!h.w.fallen && !h.w.slowAccept && h.in.waiting < h.in.backlog), "mtawatch_probe_up", "probe", "smtp")
}

// sortSources orders as a reading promises it: the largest first.
func sortSources(list []mta.SourceCount) {
	slices.SortStableFunc(list, func(a, b mta.SourceCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), a.Address.Compare(b.Address))
	})
}
