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

type causeSlot struct {
	reply, dsn string
	code       int16
	cause      mta.Cause
}

func newCauseCache(c *classify.Classifier) *causeCache {
	return &causeCache{c: c, seed: maphash.MakeSeed()}
}

// cause is Cause, remembered.
func (cc *causeCache) cause(e *mta.Event) mta.Cause {
	if e.Reply == "" || e.Status == mta.StatusExpired {
		return Cause(cc.c, e)
	}
	s := &cc.slots[maphash.String(cc.seed, e.Reply)%causeSlots]
	if s.reply != e.Reply || s.dsn != e.DSN || s.code != e.Code {
		*s = causeSlot{strings.Clone(e.Reply), strings.Clone(e.DSN), e.Code, Cause(cc.c, e)}
	}
	return s.cause
}
