// Command simhost writes what a simulated mail server would have shown: its
// series as a CSV file for `mtawatch judge`, or its mail log for `mtawatch
// replay`. The incidents go to standard error as JSON lines, so that a
// reader can hold the verdict against the truth.
//
//	simhost -rate 1 -days 16 -incidents destination-times-out,dns-dead >host.csv
//	simhost -rate 0.2 -days 14 -incidents five -log DIR -rotate
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/mtawatch/mtawatch/test/sim"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "simhost: %v\n", err)
		os.Exit(1)
	}
}

// five are incidents that a log tells of.
const five = "destination-times-out,provider-throttles,dns-dead,sender-burst,controller-hangs"

func run() error {
	seed := flag.Uint64("seed", 1, "what chance draws from")
	rate := flag.Float64("rate", 1, "messages a second in the mean")
	days := flag.Float64("days", 16, "how long")
	quiet := flag.Float64("quiet", 0, "days before the first incident (0: three quarters of all)")
	kinds := flag.String("incidents", "", `kinds, by commas; "all", or "five" for some that a log shows; none without it`)
	zone := flag.String("timezone", "Europe/Berlin", "the calendar that people live by")
	start := flag.String("start", "2026-10-05", "the first day")
	step := flag.Duration("step", 10*time.Second, "from reading to reading")
	log := flag.String("log", "", "write the mail log into this file (with -rotate: folder) instead of series to standard output")
	rotate := flag.Bool("rotate", false, "mail.log, mail.log.1, mail.log.2.gz, by day")
	flag.Parse()
	loc, err := time.LoadLocation(*zone)
	if err != nil {
		return fmt.Errorf("read -timezone: %w", err)
	}
	from, err := time.ParseInLocation("2006-01-02", *start, loc)
	if err != nil {
		return fmt.Errorf("read -start: %w", err)
	}
	day := func(n float64) time.Duration { return time.Duration(n * 24 * float64(time.Hour)) }
	if *quiet == 0 {
		*quiet = *days * 0.75
	}
	cfg := sim.Config{Seed: *seed, Rate: *rate, Location: loc, Start: from, End: from.Add(day(*days)), Step: *step}
	var list []sim.Kind
	switch *kinds {
	case "":
	case "all":
		list, err = sim.ParseKinds("")
	case "five":
		list, err = sim.ParseKinds(five)
	default:
		list, err = sim.ParseKinds(*kinds)
	}
	if err != nil {
		return err
	}
	cfg.Incidents = sim.Spread(*seed, *rate, from.Add(day(*quiet)), cfg.End, list)
	h, err := write(cfg, *log, *rotate)
	if err != nil {
		return err
	}
	return tell(cfg, h)
}

// write writes the host and gives it at its end.
func write(cfg sim.Config, log string, rotate bool) (*sim.Host, error) {
	switch {
	case log == "":
		h := sim.New(cfg)
		return h, sim.WriteCSV(os.Stdout, h)
	case rotate:
		return sim.WriteLogs(log, cfg)
	}
	f, err := os.Create(log)
	if err != nil {
		return nil, fmt.Errorf("write log: %w", err)
	}
	h, err := sim.WriteLog(f, cfg)
	if cerr := f.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("write log: %w", cerr)
	}
	return h, err
}

// tell writes the truth.
func tell(cfg sim.Config, h *sim.Host) error {
	enc := json.NewEncoder(os.Stderr)
	touched := h.Touched()
	for i, inc := range cfg.Incidents {
		want := inc.Kind.Expect()
		err := enc.Encode(map[string]any{"incident": inc.Kind, "begin": inc.Begin, "end": inc.End, "harmless": want.Harmless,
			"codes": want.Codes, "also": want.Also, "causes": want.Reasons, "touched": touched[i]})
		if err != nil {
			return err
		}
	}
	t := h.Totals()
	return enc.Encode(map[string]int64{"arrived": t.Arrived, "sent": t.Sent, "bounced": t.Bounced, "waiting": t.Waiting})
}
