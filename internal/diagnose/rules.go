package diagnose

import (
	"slices"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// Rules lists every rule. A finding that depends on another (DependsOn) is
// folded into it while that one is open for the same instance.
func Rules() []Rule {
	list := slices.Concat(failureRules(), queueRules(), trafficRules(), connectionRules(), daemonRules(), monitorRules())
	for i := range list {
		list[i].Judge = inTheServersWords(list[i].Judge)
	}
	return list
}

// inTheServersWords puts what not to do into the words of the mail server,
// where it has others: there is no flush where there is no deferred queue.
func inTheServersWords(judge func(*Case) []Candidate) func(*Case) []Candidate {
	return func(c *Case) []Candidate {
		list := judge(c)
		for i := range list {
			k := &list[i]
			if software(c, k.Instance) != "imta" {
				continue
			}
			avoidOfChannels(&k.Finding)
			if explain := k.Explain; explain != nil {
				k.Explain = func(m *mta.Finding) { explain(m); avoidOfChannels(m) }
			}
		}
		return list
	}
}

func avoidOfChannels(m *mta.Finding) {
	for i, text := range m.Avoid {
		switch text {
		case noFlush:
			m.Avoid[i] = noRetryAll
		case noFlushUnrun:
			m.Avoid[i] = "do not rename or move queue files to have them tried: nobody tries them while nobody runs the channels"
		}
	}
}

// eachInstance makes a rule of what is judged instance by instance.
func eachInstance(judge func(*Case, *Instance) []Candidate, codes ...mta.FindingCode) Rule {
	return Rule{Codes: codes, Judge: func(c *Case) []Candidate {
		var list []Candidate
		for _, in := range c.Instances {
			list = append(list, judge(c, in)...)
		}
		return list
	}}
}

// atMostOne fits a reading that gives one candidate or none to eachInstance.
func atMostOne(judge func(*Case, *Instance) (Candidate, bool)) func(*Case, *Instance) []Candidate {
	return func(c *Case, in *Instance) []Candidate {
		k, ok := judge(c, in)
		if !ok {
			return nil
		}
		return []Candidate{k}
	}
}
