// The viewer's time zone, told to the server so that tables and charts speak one zone.
const YEAR_S = 31_536_000;

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
const known = document.cookie.split("; ").find((pair) => pair.startsWith("aip_zone="));
if (known !== `aip_zone=${zone}`) {
  document.cookie = `aip_zone=${zone}; path=/; max-age=${YEAR_S}; samesite=lax`;
}
