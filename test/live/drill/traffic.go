//go:build linux

package drill

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	board "github.com/mtawatch/mtawatch/internal/lab/drill"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/test/live/world"
)

func trafficDrills() []Drill {
	return []Drill{
		{
			Name: "disk-full", Text: "the queue's file system is full",
			Codes: []mta.FindingCode{mta.FindingOwnResourceFailing, mta.FindingDiskFilling}, Limit: board.Soon,
			Also:    []mta.FindingCode{mta.FindingMailStopped},
			Postfix: world.PostfixConfig{QueueSize: "32m", Main: []string{"message_size_limit = 1000000"}},
			Begin:   fillQueueDisk, Evidence: logged("nsufficient system storage"),
		},
		{
			Name: "mail-loop", Text: "two destinations forward the same mail to each other through us",
			Codes: []mta.FindingCode{mta.FindingMailLoop}, Limit: board.InAWhile,
			Begin: func(s *Scene) error {
				s.mail(5*time.Second, func(i int) world.Letter {
					return world.Letter{From: "user3@north.example", To: []string{fmt.Sprintf("round%d@loop-a.example", i)}}
				})
				return nil
			},
		},
		{
			Name: "sender-burst", Text: "one sender, else quiet, sends 5 a second to strangers who refuse most of it",
			Codes: []mta.FindingCode{mta.FindingSenderBurst}, Limit: board.InAWhile,
			Also: []mta.FindingCode{mta.FindingBounceSurge},
			Begin: func(s *Scene) error {
				to := [...]string{"strict-a", "strict-b", "strict-c", "big", "north", "south"}
				s.mail(200*time.Millisecond, func(i int) world.Letter {
					return world.Letter{From: "user11@west.example", To: []string{fmt.Sprintf("victim%d@%s.example", i, to[i%len(to)])}}
				})
				return nil
			},
		},
		{
			Name: "newsletter", Text: "one sender writes to 900 readers in a minute, and all of it is taken (harmless)",
			Limit: board.InAWhile,
			Begin: func(s *Scene) error {
				s.Beside(func(ctx context.Context) {
					s.Box.Send(ctx, world.Load{Count: 900, Rate: 15, Sessions: 4, Message: func(i int) world.Letter {
						h := ordinary[i%len(ordinary)].name
						return world.Letter{From: "news@big.example", To: []string{fmt.Sprintf("reader%d@%s.example", i, h)}, Size: 4000}
					}})
				})
				return nil
			},
		},
	}
}

// mail sends one message each time the span has passed, until the drill is
// over.
func (s *Scene) mail(every time.Duration, letter func(i int) world.Letter) {
	s.Beside(func(ctx context.Context) {
		s.Box.Send(ctx, world.Load{Rate: float64(time.Second) / float64(every), Sessions: 3, Message: letter})
	})
}

// fillQueueDisk leaves no block to the queue.
func fillQueueDisk(s *Scene) error { return s.Fill(filepath.Join(s.Postfix.QueueDir, "filler")) }
