package diagnose

func monitorRules() []Rule { return []Rule{blindSpotRule()} }
