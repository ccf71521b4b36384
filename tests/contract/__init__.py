"""What the project relies on in others: charts' keys, tools' syntaxes, dashboards' schema."""
