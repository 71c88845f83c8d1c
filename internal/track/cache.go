package track

import (
	"hash/maphash"
	"strings"

	"github.com/mtawatch/mtawatch/internal/classify"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// causeSlots is the size of the cache: failures come in runs of the same
// text, and a look-up costs a tenth of a classification.
const causeSlots = 1024

// causeCache remembers the causes of the replies seen last.
type causeCache struct {
	c     *classify.Classifier
	seed  maphash.Seed
	slots [causeSlots]causeSlot
}

// causeSlot knows a reply by its hash of 64 bits, with a seed that nobody can
// know: two texts of one hash do not meet in the life of a machine.
type causeSlot struct {
	reply uint64
	size  int // of the reply; 0: the slot is empty
	dsn   string
	code  int16
	cause mta.Cause
}

func newCauseCache(c *classify.Classifier) *causeCache {
	return &causeCache{c: c, seed: maphash.MakeSeed()}
}

// cause is Cause, remembered.
func (cc *causeCache) cause(e *mta.Event) mta.Cause {
	if e.Reply == "" || e.Status == mta.StatusExpired {
		return Cause(cc.c, e)
	}
	h := maphash.String(cc.seed, e.Reply)
	s := &cc.slots[h%causeSlots]
	if s.reply != h || s.size != len(e.Reply) || s.code != e.Code || s.dsn != e.DSN {
		if s.dsn != e.DSN {
			s.dsn = strings.Clone(e.DSN)
		}
		s.reply, s.size, s.code, s.cause = h, len(e.Reply), e.Code, Cause(cc.c, e)
	}
	return s.cause
}
