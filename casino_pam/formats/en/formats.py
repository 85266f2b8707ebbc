"""How Django's own pages write times: in UTC and saying so."""

DATETIME_FORMAT = r"Y-m-d H:i:s \U\T\C"
DATE_FORMAT = "Y-m-d"
TIME_FORMAT = r"H:i:s \U\T\C"
