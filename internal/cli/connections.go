package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/netstat"
	"github.com/mtawatch/mtawatch/internal/view"
)

// connectionFlags are the flags of connections.
type connectionFlags struct {
	from  string
	ports []uint
	state string
	top   int
}

func (t *tool) connectionsCommand() *cobra.Command {
	f := connectionFlags{}
	c := t.reading(&cobra.Command{
		Use:   "connections",
		Short: "Inbound connections by remote address and state",
		Long: "Inbound connections by remote address and state. With --from it reads a saved listing: netstat -an of Linux,\n" +
			"BSD, macOS, Solaris, AIX or Windows, ss -tan, or /proc/net/tcp. Without --port those are the ports that the\n" +
			"listing shows as listening, or all where it shows none.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return t.connections(c.Context(), f) },
	})
	c.Flags().StringVar(&f.from, "from", "", "read a saved socket listing from `FILE`, - for standard input")
	c.Flags().UintSliceVar(&f.ports, "port", nil, "only this local port")
	c.Flags().StringVar(&f.state, "state", "", "only this state, such as established or syn-recv")
	c.Flags().IntVar(&f.top, "top", 0, "how many rows to show; 0: 50, or all of a listing and of --json")
	return c
}

func (t *tool) connections(ctx context.Context, f connectionFlags) error {
	var state mta.TCPState
	if err := state.UnmarshalText([]byte(f.state)); err != nil {
		return view.Advise(fmt.Errorf("--state %s is no TCP state", clean(f.state)), "give established, syn-recv, close-wait, ...")
	}
	if f.top < 0 || f.top > 10000 {
		return view.Advise(fmt.Errorf("--top %d is out of range", f.top), "give a number from 1 to 10000")
	}
	for _, p := range f.ports {
		if p == 0 || p > 65535 {
			return view.Advise(fmt.Errorf("--port %d is no port", p), "give a number from 1 to 65535")
		}
	}
	var answer view.Connections
	var err error
	if f.from != "" {
		answer, err = t.savedConnections(f)
	} else {
		answer, err = t.liveConnections(ctx, f)
	}
	if err != nil {
		return err
	}
	if t.json {
		return errors.Join(t.out.json(answer), unknown(answer.Unknown))
	}
	t.connectionsText(answer, f)
	return unknown(answer.Unknown)
}

func (t *tool) liveConnections(ctx context.Context, f connectionFlags) (view.Connections, error) {
	if len(f.ports) > 1 {
		return view.Connections{}, view.Advise(errors.New("--port is given more than once"), "several ports can be asked for with --from only")
	}
	q := view.ConnectionQuery{State: f.state, Top: f.top}
	if len(f.ports) == 1 {
		q.Port = uint16(f.ports[0])
	}
	if q.Top == 0 && t.json {
		q.Top = 10000
	}
	v, err := ask(ctx, t, func(s view.Source) (view.Connections, error) { return s.Connections(ctx, q) })
	if err == nil && v.Unknown == "" && q.Port != 0 && !slices.ContainsFunc(v.Ports, func(r view.PortRow) bool { return r.Port == q.Port }) {
		v = view.Connections{Time: v.Time, Connections: []mta.Connection{}, Source: v.Source,
			Unknown: fmt.Sprintf("port %d is not watched: add it to 'ports' in the configuration; without --port every watched port is shown", q.Port)}
	}
	return v, err
}

// savedConnections reads a listing. All of it is given; --top limits only
// what is shown as text.
func (t *tool) savedConnections(f connectionFlags) (view.Connections, error) {
	in, at, err := t.open(f.from)
	if err != nil {
		return view.Connections{}, err
	}
	defer in.Close()
	opt := netstat.Options{}
	for _, p := range f.ports {
		opt.Ports = append(opt.Ports, uint16(p))
	}
	res, err := netstat.Parse(in, opt)
	if err != nil {
		return view.Connections{}, fmt.Errorf("%s: %w", f.from, err)
	}
	v := view.Connections{Time: at, Connections: []mta.Connection{}, Source: res.Format, Skipped: res.Skipped, Ports: portRows(res.Connections)}
	for _, c := range res.Connections {
		if f.state == "" || c.State.String() == f.state {
			v.Connections = append(v.Connections, c)
		}
	}
	return v, nil
}

// portRows sums a listing by local port. The accept queue is not read from
// it, and stays unknown.
func portRows(list []mta.Connection) []view.PortRow {
	type source struct {
		port   uint16
		remote netip.Addr
	}
	rows := make(map[uint16]*view.PortRow)
	sources := make(map[source]int)
	for _, c := range list {
		r := rows[c.LocalPort]
		if r == nil {
			r = &view.PortRow{Port: c.LocalPort, States: make(map[string]int)}
			rows[c.LocalPort] = r
		}
		r.States[c.State.String()] += c.Count
		if c.State == mta.TCPListen {
			r.Listening = true
			continue
		}
		key := source{c.LocalPort, c.Remote}
		if sources[key] == 0 {
			r.Sources++
		}
		sources[key] += c.Count
		r.TopSource = max(r.TopSource, sources[key])
	}
	out := make([]view.PortRow, 0, len(rows))
	for _, r := range rows {
		out = append(out, *r)
	}
	slices.SortFunc(out, func(a, b view.PortRow) int { return cmp.Compare(a.Port, b.Port) })
	return out
}

func (t *tool) connectionsText(v view.Connections, f connectionFlags) {
	t.unknownLine(v.Unknown)
	for _, p := range v.Ports {
		t.out.line(portText(p))
	}
	if c := v.Counters; c != nil {
		t.out.line(counterText(*c))
	}
	if v.Skipped > 0 {
		t.out.line(t.out.in(yellow, plural(int64(v.Skipped), "socket")+" of the listing could not be read (names or cut addresses: list with -n, and wide)"))
	}
	tab := newTable("PORT", "REMOTE", "STATE", ">COUNT")
	most := f.top
	if most == 0 {
		most = 50
	}
	left := 0
	for _, c := range v.Connections {
		switch {
		case c.State == mta.TCPListen && f.state == "":
		case len(tab.rows) == most:
			left++
		default:
			tab.add(strconv.Itoa(int(c.LocalPort)), c.Remote.String(), c.State.String(), strconv.Itoa(c.Count))
		}
	}
	if len(tab.rows) > 0 {
		t.out.line("")
		t.out.print(tab)
	} else if v.Unknown == "" {
		t.out.line("no connection")
	}
	if left > 0 {
		t.out.line(t.out.in(dim, fmt.Sprintf("and %d more rows: see --top", left)))
	}
}

// counterText tells the kernel's counters since it started.
func counterText(c mta.ListenerCounters) string {
	text := func(n int64) string {
		if n < 0 {
			return "unknown"
		}
		return countText(n)
	}
	return fmt.Sprintf("since the system started: accept queue overflows %s, handshakes dropped %s, SYN cookies sent %s",
		text(c.ListenOverflows), text(c.ListenDrops), text(c.SyncookiesSent))
}
