package drill

import (
	"context"
	"fmt"
	"time"

	"github.com/mtawatch/mtawatch/internal/lab/stage"
	"github.com/mtawatch/mtawatch/internal/lab/world"
	"github.com/mtawatch/mtawatch/internal/mta"
)

func trafficDrills() []Drill {
	now := time.Now()
	return []Drill{
		{
			Expect: Expect{Name: "mail-loop", Codes: []mta.FindingCode{mta.FindingMailLoop}, Limit: InAWhile, Also: []mta.FindingCode{mta.FindingMailHeld}},
			Text:   "two destinations forward the same mail to each other through us",
			Begin: func(s *Scene) error {
				s.mail(5*time.Second, func(i int) (world.Client, world.Letter) {
					return user("carl"), world.Letter{From: "carl@" + stage.Domain, To: []string{fmt.Sprintf("round%d@loop-a.example", i)}}
				})
				return nil
			},
		},
		{
			Expect: Expect{Name: "sender-burst", Codes: []mta.FindingCode{mta.FindingSenderBurst}, About: "hugo", Limit: InAWhile, Also: []mta.FindingCode{mta.FindingBounceSurge}},
			Text:   "one account, else quiet, sends 5 a second to strangers who refuse most of it",
			Begin: func(s *Scene) error {
				to := [...]string{"strict-a", "strict-b", "strict-c", "strict-a", "big", "south"}
				s.mail(200*time.Millisecond, func(i int) (world.Client, world.Letter) {
					return user("hugo"), world.Letter{From: "hugo@" + stage.Domain, To: []string{fmt.Sprintf("victim%d@%s.example", i, to[i%len(to)])}}
				})
				return nil
			},
		},
		{
			Expect: Expect{Name: "newsletter", Limit: InAWhile},
			Text:   "one account writes to 900 readers in a minute, and all of it is taken (harmless)", Quick: true,
			Begin: newsletter,
		},
		{
			Expect: Expect{Name: "quiet-time", Limit: InAWhile},
			Text:   "no mail at all, at an hour that is always quiet (harmless)",
			Day:    quietAround(now),
			Begin: func(s *Scene) error {
				s.Undo(func() error { s.World.Scale(1); return nil })
				s.World.Scale(0)
				return nil
			},
		},
	}
}

// user is the client of an account on the submission port.
func user(name string) world.Client {
	for _, u := range stage.Users() {
		if u.Name == name {
			return world.Client{Source: "127.0.1.200", Submit: true, User: &u, Helo: "pc200." + stage.Domain}
		}
	}
	return world.Client{}
}

// mail sends one letter each time the span has passed, each by a session of
// its own, until the drill is over.
func (s *Scene) mail(every time.Duration, letter func(i int) (world.Client, world.Letter)) {
	s.Beside(func(ctx context.Context) {
		t := time.NewTicker(every)
		defer t.Stop()
		for i := 0; ; i++ {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
			}
			c, l := letter(i)
			s.World.Deliver(ctx, c, l, 0)
		}
	})
}

// newsletter sends as mailing software does: many letters by one session.
func newsletter(s *Scene) error {
	const readers, rate = 900, 15
	s.Beside(func(ctx context.Context) {
		to := [...]string{"big", "north", "big", "south", "big", "east", "west"}
		for i := 0; i < readers && ctx.Err() == nil; {
			c, err := s.World.Dial(ctx, user("paula"))
			if err != nil {
				s.Fail(fmt.Errorf("send newsletter: %w", err))
				return
			}
			for n := 0; n < 20 && ctx.Err() == nil; n++ {
				if err := c.Send(world.Letter{From: "paula@" + stage.Domain, To: []string{fmt.Sprintf("reader%d@%s.example", i, to[i%len(to)])}, Size: 4000}); err != nil {
					s.Fail(fmt.Errorf("send newsletter: %w", err))
					return
				}
				i++
				sleep(ctx, time.Second/rate)
			}
			c.Quit()
		}
	})
	return nil
}

// quietAround gives a day with next to no mail within two hours of a moment's
// time of day.
func quietAround(at time.Time) func(time.Time) float64 {
	const width, few = 2 * time.Hour, 0.004
	return func(t time.Time) float64 {
		d := (t.Sub(at)%(24*time.Hour) + 24*time.Hour) % (24 * time.Hour)
		if d < width || d > 24*time.Hour-width {
			return few
		}
		return 1
	}
}
