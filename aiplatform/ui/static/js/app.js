// Entry of every page: small modules, each for one habit. Pages work as plain links and forms without them.
import "./preferences.js";
import "./copy.js";
import "./menus.js";
import "./keys.js";
import "./palette.js";
import "./complete.js";
import "./tree.js";
import "./brush.js";
import "./charts.js";
import "./compare.js";
import "./live.js";
import "./scoring.js";
