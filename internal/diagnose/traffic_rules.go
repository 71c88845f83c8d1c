package diagnose

func trafficRules() []Rule { return nil }
