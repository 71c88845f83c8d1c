package diagnose

import (
	"slices"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// Rules lists every rule. A finding that depends on another (DependsOn) is
// folded into it while that one is open for the same instance.
func Rules() []Rule {
	return slices.Concat(failureRules(), queueRules(), trafficRules(), connectionRules(), daemonRules(), monitorRules())
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
