# What pint checks of the rules without a server. docs/checks.md says who checks what else.
checks {
  # Recorded series that several groups share are declared in checks/rule_checks.py.
  disabled = ["rule/dependency"]
}

# Watchdog fires always, on purpose. The other compares within a subquery, which pint does not look into.
rule {
  match {
    kind = "alerting"
    name = "Watchdog|PageUnresolved"
  }
  disable = ["alerts/comparison"]
}
