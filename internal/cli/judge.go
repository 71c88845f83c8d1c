package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mtawatch/mtawatch/internal/judge"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/seriescsv"
	"github.com/mtawatch/mtawatch/internal/view"
)

// judgeFlags are the flags of judge.
type judgeFlags struct {
	timezone string
	scores   bool
}

func (t *tool) judgeCommand() *cobra.Command {
	f := judgeFlags{}
	c := &cobra.Command{
		Use:   "judge FILE.csv",
		Short: "Time series from a file to anomalies and findings, as JSON",
		Long: "Reads rows of timestamp,series,value (compressed too; - is standard input) through the judgement that watches the\n" +
			"live host, its clock being the data's, and prints each anomaly and finding as one JSON object a line. Series are named as on\n" +
			"/metrics, counters cumulative; any other name is judged as one gauge. docs/commands.md describes input and output.",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return view.Advise(errors.New("one file is needed"), "mtawatch judge FILE.csv, or - for standard input")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error { return t.judge(f, args[0]) },
	}
	c.Flags().StringVar(&f.timezone, "timezone", "", "whose hours and weekdays the people live by, such as Europe/Berlin (default: the machine's)")
	c.Flags().BoolVar(&f.scores, "scores", false, "print how strange each point of every other gauge is, from 0 to 1")
	return c
}

// judging is one run of judge.
type judging struct {
	t        *tool
	flags    judgeFlags
	place    *time.Location
	bar      bar
	step     time.Duration
	engine   *judge.Engine
	verdicts *verdicts
	moments  int64
	last     time.Time
	scores   scorer
	sorted   bool // the rows had to be put in order
}

func (t *tool) judge(f judgeFlags, name string) error {
	defer debug.SetGCPercent(debug.SetGCPercent(fewCollections / 2))
	j := &judging{t: t, flags: f, bar: bar{p: t.err}}
	var err error
	if j.place, err = location(f.timezone); err != nil {
		return err
	}
	in, err := t.openSeries(name)
	if err != nil {
		return err
	}
	counts, err := j.run(in)
	j.bar.clear()
	if cerr := in.close(); err == nil && cerr != nil {
		err = fmt.Errorf("read %s: %w", in.name, cerr)
	}
	if err != nil {
		return err
	}
	if counts.Rows == 0 && counts.Bad > 0 {
		return view.Advise(fmt.Errorf("%s: no row could be read: %s", clean(in.name), badText(counts)), "give rows of timestamp,series,value; docs/commands.md shows one")
	}
	lines := j.verdicts.lines()
	for i := range lines {
		if err := j.write(&lines[i]); err != nil {
			return err
		}
	}
	if err := t.out.flush(); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	j.summary(counts, lines)
	return nil
}

// run reads the rows, again and in order where they are not sorted. What is
// printed on the way cannot be taken back: with --scores the order is known
// before anything is judged.
func (j *judging) run(in *seriesInput) (seriescsv.Counts, error) {
	var none seriescsv.Counts
	unsorted, err := j.look(in, j.flags.scores && !in.pipe())
	if err != nil {
		return none, err
	}
	if err := in.rewind(); err != nil {
		return none, err
	}
	if j.flags.scores && (unsorted || in.pipe()) {
		j.sorted = unsorted
		return j.ordered(in)
	}
	counts, err := j.pass(in, seriescsv.Config{})
	if !errors.Is(err, seriescsv.ErrOrder) {
		return counts, err
	}
	if rerr := in.rewind(); errors.Is(rerr, errPassed) {
		return counts, view.Advise(err, "name the file instead of piping it, or sort the rows: sort -s -t, -k1,1n")
	} else if rerr != nil {
		return counts, rerr
	}
	j.sorted = true
	return j.ordered(in)
}

// ordered judges rows of any order.
func (j *judging) ordered(in *seriesInput) (seriescsv.Counts, error) {
	in.last()
	counts, err := j.pass(in, seriescsv.Config{Sort: true})
	if errors.Is(err, seriescsv.ErrTooMany) {
		err = view.Advise(err, "sort the file by time first, then any size will do: sort -s -t, -k1,1n")
	}
	return counts, err
}

// errEnough ends a look.
var errEnough = errors.New("enough seen")

// looked is how many moments tell the usual distance of two.
const looked = 100

// look finds the usual distance of two moments; of the whole input it tells
// whether rows go back in time.
func (j *judging) look(in *seriesInput, whole bool) (unsorted bool, err error) {
	var gaps []time.Duration
	last := time.Time{}
	err = j.feed(in, seriescsv.New(seriescsv.Config{}), func(x mta.Reading) error {
		if !last.IsZero() && len(gaps) < looked {
			gaps = append(gaps, x.Time.Sub(last))
		}
		if last = x.Time; len(gaps) == looked && !whole {
			return errEnough
		}
		return nil
	})
	if len(gaps) > 0 {
		slices.Sort(gaps)
		j.step = gaps[(len(gaps)-1)/2]
	}
	if unsorted = errors.Is(err, seriescsv.ErrOrder); unsorted || errors.Is(err, errEnough) {
		err = nil
	}
	return unsorted, err
}

// pass judges the whole input.
func (j *judging) pass(in *seriesInput, cfg seriescsv.Config) (seriescsv.Counts, error) {
	j.engine = judge.New(judge.Config{Location: j.place, Step: j.step})
	j.verdicts = newVerdicts()
	j.moments = 0
	r := seriescsv.New(cfg)
	err := j.feed(in, r, j.moment)
	return r.Counts(), err
}

// feed reads the input to its end.
func (j *judging) feed(in *seriesInput, r *seriescsv.Reader, yield func(mta.Reading) error) error {
	buf := make([]byte, 256<<10)
	for {
		n, err := in.Read(buf)
		if n > 0 {
			if ferr := r.Feed(buf[:n], yield); ferr != nil {
				return ferr
			}
			if in.total > 0 && !(j.flags.scores && j.t.out.terminal) {
				j.bar.show(in.name, in.done(), in.total)
			}
		}
		if errors.Is(err, io.EOF) {
			return r.End(yield)
		}
		if err != nil {
			return advise(fmt.Errorf("read %s: %w", in.name, err))
		}
	}
}

// moment judges one moment.
func (j *judging) moment(r mta.Reading) error {
	j.moments++
	j.last = r.Time
	for _, c := range j.engine.Step(r) {
		j.verdicts.finding(c.Finding)
	}
	j.verdicts.anomalies(r.Time, j.engine.Anomalies())
	if !j.flags.scores {
		return nil
	}
	return j.score(r)
}

// summary tells on standard error what was read.
func (j *judging) summary(c seriescsv.Counts, lines []verdict) {
	warn := func(text string) { j.t.err.line("mtawatch: warning: " + clean(text)) }
	switch {
	case c.Rows == 0:
		warn("no row: nothing was judged")
	case c.Bad > 0:
		warn(fmt.Sprintf("%s of %d could not be read: %s", plural(c.Bad, "row"), c.Bad+c.Rows+c.Absent, badText(c)))
	}
	if c.Duplicates > 0 {
		warn(plural(c.Duplicates, "row") + " for a series and moment that had one already: the last one holds")
	}
	if j.sorted {
		warn("the rows were not sorted by time: they were put in order in memory")
	}
	anomalies := 0
	for i := range lines {
		if lines[i].Kind == kindAnomaly {
			anomalies++
		}
	}
	j.t.err.printf("rows=%d series=%d moments=%d step=%s absent=%d duplicates=%d bad=%d anomalies=%d findings=%d\n",
		c.Rows, c.Series, j.moments, cmp.Or(j.step, 10*time.Second), c.Absent, c.Duplicates, c.Bad, anomalies, len(lines)-anomalies)
}

// badText names the first rows that could not be read.
func badText(c seriescsv.Counts) string {
	var parts []string
	for _, b := range c.FirstBad {
		parts = append(parts, fmt.Sprintf("line %d: %s", b.Line, b.Why))
	}
	if more := c.Bad - int64(len(c.FirstBad)); more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(parts, "; ")
}

// location gives a time zone by its name; "" is the machine's.
func location(name string) (*time.Location, error) {
	if name == "" {
		return time.Local, nil
	}
	l, err := time.LoadLocation(name)
	if err != nil {
		return nil, view.Advise(fmt.Errorf("--timezone %s is no time zone known here", clean(name)), "give a name such as Europe/Berlin or UTC")
	}
	return l, nil
}
