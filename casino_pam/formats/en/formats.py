"""How Django's own pages write and read days and times: by ISO 8601, in UTC and saying so.

The first of the inputs is also what forms and their pickers write.
"""

DATETIME_FORMAT = r"Y-m-d H:i:s \U\T\C"
DATE_FORMAT = "Y-m-d"
TIME_FORMAT = r"H:i:s \U\T\C"
DATE_INPUT_FORMATS = ["%Y-%m-%d"]
TIME_INPUT_FORMATS = ["%H:%M:%S", "%H:%M"]
DATETIME_INPUT_FORMATS = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"]
# Weeks begin on Monday.
FIRST_DAY_OF_WEEK = 1
