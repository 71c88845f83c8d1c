package diagnose

import "slices"

// Rules lists every rule. A finding that depends on another (DependsOn) is
// folded into it while that one is open for the same instance.
func Rules() []Rule {
	return slices.Concat(failureRules(), queueRules(), trafficRules(), connectionRules(), daemonRules(), monitorRules())
}
