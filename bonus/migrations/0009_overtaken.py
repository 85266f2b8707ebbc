"""What a write of the teller calls when the rows are not as they were read: everybody then looks again."""

from django.db import migrations

MAKE = """
CREATE FUNCTION bonus_overtaken() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'serialization_failure', MESSAGE = 'a bonus or an offer is not as it was read';
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("bonus", "0008_roles_see_more")]

    operations = [migrations.RunSQL(MAKE, "DROP FUNCTION bonus_overtaken();")]
