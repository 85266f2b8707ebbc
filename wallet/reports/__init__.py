"""What the ledger comes to: reports of the money, by UTC day. They read and never write (docs/reports.md)."""
